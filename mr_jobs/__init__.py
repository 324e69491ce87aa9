"""The join as a job of mrjob, which needs modules that Python's library no longer has: what it uses of them is here."""

import re
import shlex
import shutil
import sys
from types import ModuleType


class LooseVersion(tuple[int, ...]):
    """The numbers of a version, which compare as those of distutils do."""

    def __new__(cls, version: str) -> "LooseVersion":
        """Return the numbers of a version such as `3.4.2`."""
        return super().__new__(cls, map(int, re.findall("[0-9]+", version)))


_USED: dict[str, dict[str, object]] = {
    "pipes": {"quote": shlex.quote},
    "distutils": {},
    "distutils.spawn": {"find_executable": shutil.which},
    "distutils.version": {"LooseVersion": LooseVersion},
}
for _name, _content in _USED.items():
    vars(_module := ModuleType(_name)).update(_content)
    sys.modules[_name] = _module
