"""Folders that a user names, on this machine or in HDFS. No name is a pattern, whatever characters it has."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from movimento_flat.errors import UserError
from movimento_flat.hadoop_commands import refuse_patterns
from movimento_flat.lake.stores import is_in_hdfs

_find_scheme = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/").match
_HDFS, _S3 = ("hdfs", "viewfs", "webhdfs"), ("s3", "s3a", "s3n")
_AZURE = ("abfs", "abfss", "wasb", "wasbs")
#: By scheme: the command that copies the CSV there.
CSV_COPIES = {
    **dict.fromkeys(_HDFS, "hadoop fs -put ./out/movimento_flat.csv {uri}"),
    **dict.fromkeys(_S3, "aws s3 cp ./out/movimento_flat.csv {uri}"),
    "gs": "gcloud storage cp ./out/movimento_flat.csv {uri}",
    **dict.fromkeys(_AZURE, "azcopy copy ./out/movimento_flat.csv {uri}"),
}
#: By scheme: the command that makes it like a lake of this machine.
LAKE_COPIES = {
    **dict.fromkeys(_HDFS[1:], "hadoop fs -put ./lake {uri}"),
    **dict.fromkeys(_S3, "aws s3 sync --delete ./lake {uri}"),
    "gs": "gcloud storage rsync --recursive --delete-unmatched-destination-objects ./lake {uri}",
    **dict.fromkeys(_AZURE, "azcopy sync --delete-destination=true ./lake {uri}"),
}


def is_uri(folder: str) -> bool:
    """Return whether a folder is named by a URI, not as a path of this machine."""
    return bool(_find_scheme(folder))


class LocalFolder(click.Path):
    """A folder of this machine."""

    def __init__(self, copies: Mapping[str, str] = CSV_COPIES, exists: bool = False) -> None:
        """Args:
        copies: by scheme, the command that copies what is in it to a URI.
        exists: whether it must be there.
        """
        super().__init__(path_type=Path, exists=exists, file_okay=not exists)
        self._copies = copies

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path; an empty value and a URI are usage errors."""
        if str(value) == "":
            self.fail("The folder's name is empty.", param, ctx)
        if found := _find_scheme(str(value)):
            scheme = found[1].lower()
            copy = self._copies.get(scheme, "").format(uri=value)
            next_step = f"Name a folder, and copy afterwards: {copy}" if copy else "Name a folder."
            self.fail(f"'{value}' is a URI ({scheme}), not a folder of this machine. {next_step}", param, ctx)
        return super().convert(value, param, ctx)


class LakePlace(LocalFolder):
    """A lake: a folder of this machine, or its URI in HDFS."""

    name = "folder"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the path or the URI, as text; another URI, and HDFS's own root, are usage errors."""
        if not is_in_hdfs(str(value)):
            return str(super().convert(value, param, ctx))
        if not urlsplit(value).path.strip("/"):
            self.fail(f"'{value}' names no folder in HDFS, such as hdfs:///user/me/lake.", param, ctx)
        return FolderOrUri().convert(value, param, ctx)


class FolderOrUri(click.ParamType):  # type: ignore[type-arg]
    """A folder of this machine, or a URI for the hadoop command."""

    name = "folder"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return an absolute path or the URI; an empty name, and a pattern of Hadoop, are usage errors."""
        if value == "":
            self.fail("The name is empty.", param, ctx)
        if not is_uri(value):
            return str(Path(value).absolute())
        try:
            refuse_patterns(value)
        except UserError as error:
            self.fail(f"{error.what} {error.next_step}", param, ctx)
        return str(value)
