"""What a delivery hides is nowhere: not in the CSV, not beside it, and not in what the join's tasks hand on."""

import csv
import hmac
import json
import random
import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from movimento_flat.card_numbers import mask, mask_card_numbers
from movimento_flat.cli.token_key import with_key
from movimento_flat.errors import UserError
from movimento_flat.money import Totals
from movimento_flat.privacy import CARD_MODES, DATES_MODES, PEOPLE_MODES, Privacy, fingerprint_key
from movimento_flat.publish.csv_audit import audit
from movimento_flat.publish.parts import CSV_NAME, REJECTED_NAME, WARNINGS_NAME, merge_parts
from movimento_flat.schema import AMOUNT, CARD, FLAT_COLUMNS
from mr_jobs.job_options import KEY_NAME, JobOptions, secrets_of
from mr_jobs.profiles import NUMBERS
from mr_jobs.source_rows import SourceRows
from tests.brute_force import Row, Tables, as_csv, flat_rows
from tests.conftest import Database, examples
from tests.rows import SourceRow, associado, cartao, conta, movimento
from tests.test_join import nasty_tables, run_inline, run_task, simulate
from tests.test_run import CSV, RUN, assert_user_error, expected_csv, run

KEY = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("4111111111111111", "411111******1111"),
        ("4000000000006", "400000***0006"),
        ("6304000000000000000", "630400*********0000"),
        ("4111 1111 1111 1111", "4111 1*********1111"),
        ("12345678901", "123456*8901"),
        ("1234567890", "******7890"),
        ("12345", "*2345"),
        ("1234", "****"),
        ("", ""),
        ("açaçaçaçaçaç", "açaçaç**açaç"),
    ],
)
def test_a_masked_number_shows_its_first_six_and_last_four(number: str, masked: str) -> None:
    assert mask(number.encode()) == masked.encode()


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("estorno 4111111111111111 ok", "estorno 411111******1111 ok"),
        ("4111-1111-1111-1111", "411111******1111"),
        ("1 4111 1111 1111 1111", "141111*******1111"),
        ("NSU 123456789012", "NSU 123456789012"),
        ("x4111111111111111y4111111111111111", "x411111******1111y411111******1111"),
        ("12/11/2024 10:00:00", "12/11/2024 10:00:00"),
    ],
)
def test_free_text_loses_what_may_be_a_card_number(text: str, masked: str) -> None:
    assert mask_card_numbers(text.encode()) == masked.encode()


def hidden(row: Row, holder: str, privacy: Privacy, key: bytes) -> Row:
    """A row of the flat table as a delivery shows it, column by column."""
    shown = dict(zip(FLAT_COLUMNS, row, strict=True))

    def token(kind: str, text: str) -> str:
        return hmac.new(key, text.encode(), "sha256").hexdigest()[:32].rjust(33, kind)

    number, description = shown["numero_cartao"], shown["des_transacao_movimento"]
    if number is not None and privacy.card == "mask":
        shown["numero_cartao"] = mask(number.encode()).decode()
    if number is not None and privacy.card == "token":
        shown["numero_cartao"] = token("t", f"cartao {number}")
    if description is not None and privacy.card != "full":
        shown["des_transacao_movimento"] = mask_card_numbers(description.encode()).decode()
    if privacy.people == "token":
        names = {"nome_associado": token("p", f"associado {holder}"), "sobrenome_associado": None}
        shown |= names | {"nome_impresso_cartao": None}
    for name in ("data_movimento", "data_criacao_cartao", "data_criacao_conta"):
        shown[name] = coarse(shown[name], privacy.dates)
    return tuple(value for name, value in shown.items() if name not in privacy.dropped)


def coarse(moment: str | None, dates: str) -> str | None:
    """A moment as a delivery shows it."""
    if dates == "full" or moment is None:
        return moment
    if not re.match("[0-9]{4}-[0-9]{2}-[0-9]{2}", moment):
        return None
    year, month, day = moment[:10].split("-")
    return f"{year}-{month}-{day if dates == 'day' else '01'} 00:00:00"


privacies = st.builds(
    Privacy,
    card=st.sampled_from(CARD_MODES),
    people=st.sampled_from(PEOPLE_MODES),
    dates=st.sampled_from(DATES_MODES),
    dropped=st.frozensets(
        st.sampled_from([name for name in FLAT_COLUMNS if name != AMOUNT]), max_size=len(FLAT_COLUMNS) - 2
    ),
)


@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    tables=nasty_tables(), privacy=privacies, text=st.sampled_from(["4111 1111\\1111\0001111", "7" * 14, "x"])
)
def test_the_csv_is_the_whole_one_with_each_column_hidden(
    tables: Tables, privacy: Privacy, text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("hidden")
    (folder / "key").write_text(KEY)
    tables.movimento = [row.replace(des_transacao=text) for row in tables.movimento]
    parts = simulate(tables.lines(), 2, 2, random.Random(1), JobOptions(privacy, key_file=folder / "key"))
    files = [folder / f"part-{number}" for number in range(len(parts))]
    for file, part in zip(files, parts, strict=True):
        file.write_bytes(part)
    merge_parts(files, folder, privacy.columns)
    holders = {card.id: card.id_associado for card in tables.cartao}
    cards = [row.id_cartao for row in tables.movimento if row.id_cartao is not None]
    flat, _ = flat_rows(tables)
    joined = [row for row in sorted(tables.movimento, key=_by_card) if _is_joined(row, tables)]
    assert len(joined) == len(flat) <= len(cards)
    expected = [
        hidden(row, holders[movement.id_cartao] or "", privacy, KEY.encode())
        for row, movement in zip(flat, joined, strict=True)
    ]
    assert (folder / CSV_NAME).read_bytes() == as_csv(privacy.columns, expected)
    assert audit(folder / CSV_NAME, privacy.columns).totals.rows == len(flat)


def _by_card(movement: SourceRow) -> tuple[int, int]:
    return int(movement.id_cartao or -1), int(movement.id or 0)


def _is_joined(movement: SourceRow, tables: Tables) -> bool:
    card = {row.id: row for row in tables.cartao}.get(movement.id_cartao)
    accounts, associates = ({row.id for row in rows} for rows in (tables.conta, tables.associado))
    return card is not None and card.id_conta in accounts and card.id_associado in associates


@pytest.mark.parametrize("dates", ["day", "month"])
def test_what_is_left_of_a_moment_is_nowhere(dates: str, tmp_path: Path) -> None:
    """Not in what the mapper hands on, in a list, or where a moment is something else."""
    moments = [
        "2024-02-29 13:14:15",
        "2024-02-29 13:14:15.161718",
        "2024-02-29T13:14:15Z",
        "em 29/02 13:14:15",
        "",
    ]
    odd = dict.fromkeys(["13:14:15", "13:14:15 2024-02-29", "a\t2024-02-29 13:14:15"])
    lines = [
        associado(nome="Ana").line(),
        conta(data_criacao="2024-03-30 13:14:15").line(),
        cartao(nom_impresso="ANA", data_criacao="2024-03-29 13:14:15").line(),
        *(movimento(id=str(n), data_movimento=text).line() for n, text in enumerate([*moments, *odd], 1)),
        movimento(id="90", id_cartao="77", data_movimento=moments[0]).line(),
        movimento(id="91", vlr_transacao="1.0", data_movimento=moments[0]).line(),
        b"M\t2024-02-29 13:14:15\n",
    ]
    job_options = JobOptions(Privacy(dates=dates), "2024-12-31 13:14:15")
    handed_on = run_task("--step-num=0", "--mapper", b"".join(lines), job_options)
    merge_parts(_files(run_inline(lines, job_options), tmp_path), tmp_path)
    written = [file.read_bytes() for file in tmp_path.iterdir()]
    assert not [text for text in (handed_on, *written) if b"14:15" in text]
    with (tmp_path / CSV_NAME).open(encoding="utf-8", newline="") as text:
        shown = [row["data_movimento"] for row in csv.DictReader(text)]
    first = "2024-02-29 00:00:00" if dates == "day" else "2024-02-01 00:00:00"
    assert shown == [first] * 3 + [""] * (len(moments) - 3 + len(odd))
    warned = (tmp_path / WARNINGS_NAME).read_text()
    assert ("card_before_account" in warned) == (dates == "day")
    assert warned.count("movement_before_card") == 3


SECRETS = (b"4111111111111111", b"5500000000000004", b"Fulana", b"FULANA")
SECRET_HOLDER = associado(nome="Fulana", sobrenome="de Tal")
SECRET_CARD = cartao(num_cartao="5500000000000004", nom_impresso="FULANA TAL")
SECRET_LINES = [
    SECRET_HOLDER.line(),
    conta().line(),
    SECRET_CARD.replace(num_cartao="4111111111111111").line(),
    SECRET_CARD.replace(id="2").line(),
    SECRET_CARD.replace(id="3").line(),
    SECRET_CARD.replace(id="-4").line(),
    SECRET_HOLDER.replace(id="-1").line(),
    b"5500000000000004 is no line\n",
    movimento(id="1", des_transacao="5500 0000 0000 0004").line(),
    movimento(id="2", des_transacao="pago com 4111111111111111", id_cartao="9").line(),
    movimento(id="4", des_transacao="pago com 4111111111111111", id_cartao="123").line(),
    movimento(id="3", des_transacao="pago com 4111111111111111", vlr_transacao="1.0").line(),
]


@pytest.mark.parametrize("card", ["mask", "token"])
def test_nothing_hidden_leaves_the_mapper(card: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    job_options = JobOptions(Privacy(card, "token"), key_file=tmp_path / "key")
    handed_on = run_task("--step-num=0", "--mapper", b"".join(SECRET_LINES), job_options)
    assert not [secret for secret in SECRETS if secret in handed_on.replace(b" ", b"")]
    assert (
        len(merge_parts(_files(run_inline(SECRET_LINES, job_options), tmp_path), tmp_path).rejected.reasons)
        == 2
    )
    assert all(secret not in file.read_bytes() for secret in SECRETS for file in (tmp_path).iterdir())
    assert (tmp_path / REJECTED_NAME).read_text().count("malformed\t") == 4
    whole = run_task("--step-num=0", "--mapper", b"".join(SECRET_LINES), JobOptions())
    assert [secret for secret in SECRETS if secret in whole] == list(SECRETS)


def test_a_number_that_is_left_out_reaches_no_shuffle(tmp_path: Path) -> None:
    """Cards meet by a fingerprint then, whose key is a new one of the run: nobody can try which number has it."""
    dropped = Privacy(dropped=frozenset([CARD]))
    folders = [tmp_path / name for name in ("one", "other")]
    for folder in folders:
        folder.mkdir()
    keyed = [with_key(JobOptions(dropped), folder, print) for folder in folders]
    handed_on = [
        run_task("--step-num=0", "--mapper", b"".join(SECRET_LINES[:5]), job_options) for job_options in keyed
    ]
    for text in handed_on:
        assert not [secret for secret in SECRETS[:2] if secret in text]
    fingerprints = [{row for row in text.splitlines() if row.startswith(NUMBERS)} for text in handed_on]
    assert len(fingerprints[0]) == len(fingerprints[1]) == 2
    assert not fingerprints[0] & fingerprints[1]
    duplicates = b"".join(run_inline(SECRET_LINES[:5], keyed[0]))
    assert duplicates.count(b"duplicate_card_number") == 2


@pytest.mark.parametrize(
    "privacy", [Privacy("mask"), Privacy("token"), Privacy(dropped=frozenset([CARD]))], ids=repr
)
def test_without_a_key_there_is_no_fingerprint(privacy: Privacy) -> None:
    with pytest.raises(ValueError, match="--key-file"):
        run_task("--step-num=0", "--mapper", b"".join(SECRET_LINES), JobOptions(privacy))
    with pytest.raises(ValueError, match="need a key"):
        SourceRows(privacy, b"")
    with pytest.raises(ValueError, match="need a key"):
        fingerprint_key(b"")


@pytest.mark.parametrize("card", ["full", "mask"])
def test_ids_that_may_be_card_numbers_are_masked_in_each_list(card: str, tmp_path: Path) -> None:
    """Some tables have a card's number for its id."""
    ids = ["4111111111111111", "5500000000000004", "3071908689237222", "3923337458447434", "5489490119672485"]
    card_id, holder, owner, movement, unknown = ids
    lines = [
        associado(id=holder, idade="200").line(),
        conta(id_associado=owner).line(),
        cartao(id=card_id, num_cartao="4", id_associado=holder).line(),
        movimento(id=movement, vlr_transacao="0.00", id_cartao=card_id).line(),
        movimento(id=f"{movement[:-1]}5", vlr_transacao="99999999999999.99", id_cartao=unknown).line(),
    ]
    job_options = with_key(JobOptions(Privacy(card)), tmp_path, print)
    parts = run_inline(lines, job_options)
    merged = merge_parts(_files(parts, tmp_path), tmp_path)
    assert merged.rejected.movements == Totals(1, 9999999999999999)
    lists = ("rejected.tsv", "holder_owner_mismatches.tsv", "warnings.tsv")
    texts = [(tmp_path / name).read_text() for name in lists]
    found = [[number for number in ids if number in text] for text in texts]
    assert any(found) == (card == "full")
    shown = [mask(number.encode()).decode() if card == "mask" else number for number in ids]
    assert f"\t{shown[3][:-1]}5\t{shown[4]}\t99999999999999.99\t" in texts[0]
    assert texts[1].endswith(f"{shown[0]}\t{shown[1]}\t{shown[2]}\t1\t0\n")
    assert f"zero_amount\tmovimento\t{shown[3]}\t{shown[0]}\t0.00\n" in texts[2]


def _files(parts: list[bytes], folder: Path) -> list[Path]:
    (folder / "part").write_bytes(b"".join(parts))
    return [folder / "part"]


def test_a_masked_run_leaves_no_card_number_anywhere(
    filled: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOVIMENTO_FLAT_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    output = tmp_path / "out"
    for options in (["--card", "mask"], ["--card", "token", "--people", "token"]):
        result = run(filled, output, *options)
        assert result.returncode == 0, result.stderr
        numbers = {str(number) for (number,) in filled.query("SELECT num_cartao FROM cartao")}
        left = [file for file in tmp_path.rglob("*") if file.is_file()]
        assert {CSV, "manifest.json", "warnings.tsv"} <= {file.name for file in left}
        for text in (result.stdout, result.stderr, *(file.read_text("utf-8", "replace") for file in left)):
            found = set(re.findall(r"(?<!\d)\d{13,19}(?!\d)", text))
            assert not found & numbers
        manifest = json.loads((output / RUN / "manifest.json").read_text())
        assert manifest["privacy"]["card"] == options[1]
        assert ("tokens of people" in result.stderr) == ("--people" in options)


def test_tokens_are_the_same_in_each_run_and_others_with_another_key(
    filled: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOVIMENTO_FLAT_HOME", str(tmp_path / "state"))
    options = ["--card", "token", "--people", "token", "--allow-new-key"]
    csvs = []
    for keys in ([], [], ["--key-file", str(tmp_path / "mine")], ["--key-file", str(tmp_path / "mine")]):
        assert run(filled, tmp_path / "out", *options, *keys).returncode == 0
        csvs.append((tmp_path / "out" / CSV).read_bytes())
    assert csvs[0] == csvs[1]
    assert csvs[2] == csvs[3]
    assert csvs[0] != csvs[2]
    assert stat.S_IMODE((tmp_path / "mine").stat().st_mode) == 0o600
    assert not (tmp_path / "state" / "token_key").exists()
    one_to_one = {line.split(",")[0] for line in csvs[0].decode("utf-8").split("\n") if line.startswith("p")}
    people = filled.query(
        "SELECT COUNT(DISTINCT associado.id) FROM movimento JOIN cartao ON cartao.id = id_cartao"
        " JOIN conta ON conta.id = id_conta JOIN associado ON associado.id = cartao.id_associado"
    )
    assert len(one_to_one) == people[0][0]


def _open_to_others(key: Path) -> None:
    key.write_text(KEY)
    key.chmod(0o644)


def _too_short(key: Path) -> None:
    key.write_text("short")
    key.chmod(0o600)


def _a_folder(key: Path) -> None:
    key.mkdir(mode=0o700)


@pytest.mark.parametrize(
    ("damage", "said"),
    [(_open_to_others, "chmod 600"), (_too_short, "holds no key"), (_a_folder, "cannot be read")],
)
def test_a_key_that_cannot_be_used_ends_the_run(
    damage: Callable[[Path], None], said: str, filled: Database, tmp_path: Path
) -> None:
    damage(tmp_path / "key")
    result = run(filled, tmp_path / "out", "--card", "token", "--key-file", str(tmp_path / "key"))
    assert_user_error(result, said)
    assert not (tmp_path / "out" / CSV).exists()


def test_a_whole_delivery_needs_no_key(tmp_path: Path) -> None:
    assert with_key(JobOptions(), tmp_path, print).key_file is None
    assert not list(tmp_path.iterdir())


def test_columns_are_left_out_and_the_rest_is_as_it_was(filled: Database, tmp_path: Path) -> None:
    dropped = ["nome_associado", "sobrenome_associado", "idade_associado", "data_criacao_conta"]
    result = run(filled, tmp_path, *(word for name in dropped for word in ("--drop", name)))
    assert result.returncode == 0, result.stderr
    kept = [place for place, name in enumerate(FLAT_COLUMNS) if name not in dropped]
    rows = [tuple(row[place] for place in kept) for row in filled.expected()]
    assert (tmp_path / CSV).read_bytes() == as_csv([FLAT_COLUMNS[place] for place in kept], rows)
    assert run(filled, tmp_path).returncode == 0
    assert (tmp_path / CSV).read_bytes() == expected_csv(filled)


@pytest.mark.parametrize(
    ("dropped", "said"),
    [
        ({"no_such"}, "Its columns are nome_associado"),
        ({AMOUNT}, "cannot be left out"),
        (set(FLAT_COLUMNS) - {AMOUNT}, "cannot be the only column"),
    ],
)
def test_columns_that_cannot_be_left_out_are_named(dropped: set[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        Privacy(dropped=frozenset(dropped))


def test_the_key_is_found_in_hadoops_credentials() -> None:
    def text(content: bytes) -> bytes:
        length = len(content)
        return (bytes([length]) if length < 128 else bytes([0x8F, length])) + content

    token = b"".join(map(text, (b"alias", b"i" * 200, b"password", b"kind", b"service")))
    secrets = text(b"other") + text(b"x") + text(KEY_NAME.encode()) + text(KEY.encode())
    content = b"HDTS\0" + b"\x01" + token + b"\x02" + secrets
    assert secrets_of(content)[KEY_NAME.encode()] == KEY.encode()
    for damaged in (content[:-1], b"HDTS\x01" + content[5:], b""):
        with pytest.raises(ValueError, match="Credentials"):
            secrets_of(damaged)
