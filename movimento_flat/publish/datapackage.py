"""datapackage.json: a Data Package with a Table Schema, by which tools load and check the CSV without guessing.

https://specs.frictionlessdata.io/data-package/ and .../table-schema/, version 1. A package describes files below its
own folder only, so it lies beside the CSV.

The CSV has a schema with constraints; the files beside it have their bytes and their hash.

A column of dates is `datetime`, whatever is in it. A date that the database has and no calendar, as 0000-00-00, is in
the CSV as it is; a validator names it, which is right: no other type or missing value in the package hides it. So it
is with an id of a movement that the database has twice.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from movimento_flat.card_numbers import mask
from movimento_flat.privacy import (
    CARD_TOKEN_PATTERN,
    COARSE,
    DAY,
    FULL,
    MASK,
    MONTH,
    PERSON_TOKEN_PATTERN,
    TOKEN,
    Privacy,
)
from movimento_flat.publish.accounting import Audit
from movimento_flat.publish.manifest import FileEntry
from movimento_flat.publish.parts import CSV_NAME
from movimento_flat.schema import CARD, FLAT_IDS, FLAT_WITH_IDS, MOVIMENTO, PEOPLE, FlatColumn, Kind, Shows

_NAME = "movimento_flat"
_DATE_FORMAT = "%Y-%m-%d %H:%M:%S"

_TYPES: dict[Kind, dict[str, Any]] = {
    Kind.ID: {"type": "integer"},
    Kind.WHOLE: {"type": "integer"},
    Kind.MONEY: {"type": "number", "decimalChar": "."},
    Kind.TEXT: {"type": "string"},
    Kind.MOMENT: {"type": "datetime", "format": _DATE_FORMAT},
}

Note = tuple[str, str]
#: English and Portuguese.
NO_DATE = (
    "A date that no calendar has, such as 0000-00-00 00:00:00, stands as the database has it",
    "Uma data que nenhum calendário tem, como 0000-00-00 00:00:00, fica como está no banco de dados",
)
MASKED = (
    "Only the first six and the last four digits show",
    "Só aparecem os seis primeiros e os quatro últimos dígitos",
)
MASKED_WITHIN = ("Card numbers in it are masked", "Números de cartão no texto estão mascarados")
CARD_TOKEN = (
    "A token stands in its place: `t` and 32 hexadecimal digits, the same for the same number",
    "Em seu lugar há um token: `t` e 32 dígitos hexadecimais, o mesmo para o mesmo número",
)
PERSON_TOKEN = (
    "A token stands in its place: `p` and 32 hexadecimal digits, the same for the same associate",
    "Em seu lugar há um token: `p` e 32 dígitos hexadecimais, o mesmo para o mesmo associado",
)
COARSE_DATES = {
    DAY: ("Only the day shows, as its first second", "Só aparece o dia, como seu primeiro segundo"),
    MONTH: ("Only the month shows, as its first second", "Só aparece o mês, como seu primeiro segundo"),
}
LEFT_EMPTY = ("It is left empty", "Fica vazio")

#: What holds for each value, beside its type.
_CONSTRAINTS: dict[Note, dict[str, Any]] = {
    CARD_TOKEN: {"pattern": CARD_TOKEN_PATTERN},
    PERSON_TOKEN: {"pattern": PERSON_TOKEN_PATTERN},
    LEFT_EMPTY: {"maxLength": 0},
}
_CONSTRAINTS_OF_IDS = {"required": True, "minimum": 0}
#: Ending of a file's name -> its media type, as https://www.iana.org/assignments/media-types has it.
_MEDIA_TYPES = {
    ".html": "text/html",
    ".parquet": "application/vnd.apache.parquet",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def datapackage(
    audit: Audit, beside: Mapping[str, FileEntry], privacy: Privacy, snapshot: str, time_zone: str
) -> dict[str, Any]:
    """Return the package's content, which is the same for the same files of the same snapshot.

    Args:
        audit: of the CSV.
        beside: the other files of the delivery, by name.
        privacy: what the CSV shows.
        snapshot: when it was taken, `YYYY-MM-DD HH:MM:SS` in UTC, maybe with a fraction.
        time_zone: in which TIMESTAMP columns are written.
    """
    fields = [_field(flat, privacy) for flat in FLAT_WITH_IDS if flat.name in privacy.columns]
    schema = {"fields": fields, "missingValues": [""]}
    if privacy.ids:
        schema["primaryKey"] = [flat.name for flat in FLAT_IDS if flat.table == MOVIMENTO]
    return {
        "profile": "data-package",
        "name": _NAME,
        "title": "Movimentos de cartão / Card movements",
        "description": _in_both(
            f"One row for each movement of a card, as of {snapshot} UTC. DATETIME columns are the wall clock of the"
            f" cooperative, TIMESTAMP columns are in the zone {time_zone}. NULL and the empty text are empty fields",
            f"Uma linha para cada movimento de um cartão, em {snapshot} UTC. Colunas DATETIME são o relógio da"
            f" cooperativa, colunas TIMESTAMP estão no fuso {time_zone}. NULL e o texto vazio são campos vazios",
        ),
        "created": f"{snapshot.replace(' ', 'T')}Z",
        "resources": [
            {
                "profile": "tabular-data-resource",
                "name": _NAME,
                "path": CSV_NAME,
                "format": "csv",
                "mediatype": "text/csv",
                "encoding": "utf-8",
                "bytes": audit.bytes,
                "hash": f"sha256:{audit.sha256}",
                "rows": audit.totals.rows,
                "dialect": {
                    "delimiter": ",",
                    "lineTerminator": "\n",
                    "quoteChar": '"',
                    "doubleQuote": True,
                    "skipInitialSpace": False,
                    "header": True,
                    "caseSensitiveHeader": True,
                },
                "schema": schema,
            },
            *(_beside(name, file) for name, file in beside.items()),
        ],
    }


def _beside(name: str, file: FileEntry) -> dict[str, Any]:
    suffix = Path(name).suffix
    return {
        "profile": "data-resource",
        "type": "file",  # to frictionless: compared by its hash, not read
        "name": name.replace(".", "-"),
        "path": name,
        "format": suffix[1:],
        "mediatype": _MEDIA_TYPES[suffix],
        "bytes": file.bytes,
        "hash": f"sha256:{file.sha256}",
    }


def is_package_of_ours(path: Path) -> bool:
    """Tell whether this file is a package of this program, and none that a user has put there.

    Raises:
        OSError: it is there and cannot be read.
    """
    try:
        content = json.loads(path.read_bytes())
    except ValueError:
        return False
    return isinstance(content, dict) and content.get("name") == _NAME


def _field(flat: FlatColumn, privacy: Privacy) -> dict[str, Any]:
    note, example = _note(flat, privacy), flat.source.example
    if flat.kind is Kind.MOMENT and privacy.dates != FULL:
        length, rest = COARSE[privacy.dates]
        example = example[:length] + rest
    if note == MASKED:
        example = mask(example.encode()).decode()
    english, portuguese = note or ("", "")
    field = {
        "name": flat.name,
        **_TYPES[flat.kind],
        "description": _in_both(
            f"{flat.source.english}. {english}".rstrip(". "),
            f"{flat.source.portuguese}. {portuguese}".rstrip(". "),
        ),
    }
    if constraints := _CONSTRAINTS_OF_IDS if flat in FLAT_IDS else note and _CONSTRAINTS.get(note):
        field["constraints"] = constraints
    return field if note in _CONSTRAINTS else field | {"example": example}


def _note(flat: FlatColumn, privacy: Privacy) -> Note | None:
    """Return what is to be said about a column in this delivery."""
    if flat.kind is Kind.MOMENT:
        coarse = COARSE_DATES.get(privacy.dates)
        return (f"{coarse[0]}. {NO_DATE[0]}", f"{coarse[1]}. {NO_DATE[1]}") if coarse else NO_DATE
    if flat.name == CARD and privacy.card != FULL:
        return MASKED if privacy.card == MASK else CARD_TOKEN
    if flat.name in PEOPLE and privacy.people == TOKEN:
        return PERSON_TOKEN if flat.source.shows is Shows.GIVEN_NAME else LEFT_EMPTY
    return MASKED_WITHIN if flat.kind is Kind.TEXT and privacy.card != FULL else None


def _in_both(english: str, portuguese: str) -> str:
    return f"pt: {portuguese}. en: {english}."
