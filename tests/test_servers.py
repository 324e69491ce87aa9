"""The servers that sql/mysql/tables.sql promises: what tests ask of the private one, asked of others.

MySQL is asked nearly everything, and each of the other MariaDBs delivers once. `make soak` asks all of them everything.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from movimento_flat.sample_data.private_server import PrivateServer
from movimento_flat.sample_data.private_server.programs import MAVEN_ARTIFACT, Programs, get_programs
from movimento_flat.sql_files import READER
from movimento_flat.state import state_dir
from tests import (
    test_bad_input,
    test_extract,
    test_grants,
    test_run,
    test_sql,
    test_tables_file,
    test_verify,
    test_window,
)
from tests.conftest import Database, Server, filled_database
from tests.mysql9 import MySQL9
from tests.other_debian import unpacked
from tests.soak import LONG

pytestmark = pytest.mark.machine

MARIADB = ("mariadb-server-core", "mariadb-client-core")
#: Server -> how its version begins.
VERSIONS = {
    "MySQL of Debian unstable": "9.",
    "MariaDB of Debian unstable": "11.",
    "MariaDB of Maven": MAVEN_ARTIFACT.rpartition(":")[2],
}
MYSQL, *MARIADBS = VERSIONS


@contextmanager
def server_of(name: str, folder: Path) -> Iterator[Server]:
    """Start the server of this name, and end it when the block is left."""
    if name == MYSQL:
        with MySQL9(folder, state_dir()) as mysql:
            yield mysql
    else:
        programs = programs_of_maven(folder) if name == "MariaDB of Maven" else programs_of_debian()
        with PrivateServer(folder / "state", print, programs) as mariadb:
            yield mariadb


@pytest.fixture(scope="session", params=VERSIONS if LONG else [MYSQL])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with server_of(request.param, tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.mark.parametrize("name", MARIADBS)
def test_another_mariadb_delivers_what_a_plain_join_gives_and_agrees(
    name: str, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    with server_of(name, tmp_path_factory.mktemp("server")) as running:
        database = filled_database(running)
        assert database.query("SELECT VERSION()")[0][0].startswith(VERSIONS[name])
        test_the_csv_is_what_a_plain_join_in_the_database_gives(database, tmp_path)
        assert test_verify.verify(tmp_path, database).returncode == 0


@pytest.fixture(scope="session")
def filled(server: Server) -> Database:
    return filled_database(server)


def programs_of_maven(folder: Path) -> Programs:
    """As the program itself fetches them on a machine that has Maven and no apt."""
    maven = shutil.which("mvn")
    if not maven:
        pytest.skip("Maven is not on this machine")
    (folder / "bin").mkdir()
    (folder / "bin" / "mvn").symlink_to(maven)
    return get_programs(state_dir() / "maven", print, search_path=str(folder / "bin"))


def programs_of_debian() -> Programs:
    usr = unpacked(state_dir(), *MARIADB) / "usr"
    return Programs(usr / "sbin" / "mariadbd", usr / "bin" / "mariadb-install-db", usr)


def test_it_is_the_server_that_was_meant(database: Database, request: pytest.FixtureRequest) -> None:
    version = database.query("SELECT VERSION()")[0][0]
    assert version.startswith(VERSIONS[request.node.callspec.params["server"]])


def test_the_csv_is_what_a_plain_join_in_the_database_gives(filled: Database, tmp_path: Path) -> None:
    """The whole way, as the least-privilege reader; on MySQL over TCP, by caching_sha2_password without TLS."""
    result = test_run.run(filled, tmp_path, "--connections", "2", "--engine", "local")
    assert result.returncode == 0, result.stderr
    assert "Reading by one connection" not in result.stderr
    assert (tmp_path / test_run.CSV).read_bytes() == test_run.expected_csv(filled)


def test_an_account_that_may_not_lock_reads_by_one_connection(filled: Database, tmp_path: Path) -> None:
    source = filled.reader()
    host = "%" if isinstance(filled.server, MySQL9) else "localhost"
    name = filled.name.replace("_", r"\_")
    filled.execute(f"REVOKE LOCK TABLES ON `{name}`.* FROM '{READER}'@'{host}'")
    extraction, lines = test_extract.extracted(source, tmp_path)
    assert extraction.connections == 1
    assert lines == test_extract.expected_lines(filled)


# Questions of other modules, which are asked there of the private server.

test_running_the_tables_script_twice_changes_nothing = (
    test_sql.test_running_the_tables_script_twice_changes_nothing
)
test_the_tables_have_the_columns_of_the_schema_and_each_has_a_comment = (
    test_sql.test_the_tables_have_the_columns_of_the_schema_and_each_has_a_comment
)
test_a_card_number_is_13_to_19_digits = test_sql.test_a_card_number_is_13_to_19_digits
test_the_reader_can_only_read = test_sql.test_the_reader_can_only_read
test_the_reader_sees_its_own_schema_only = (
    test_sql.test_the_reader_sees_its_own_schema_only_though_names_look_alike
)
test_empty_tables_give_no_lines = test_extract.test_empty_tables_give_no_lines
test_every_row_comes_once_whatever_the_number_of_connections = (
    test_extract.test_every_row_comes_once_whatever_the_number_of_connections
)
test_sparse_and_largest_ids_zero_dates_nulls_and_extreme_amounts = (
    test_extract.test_sparse_and_largest_ids_zero_dates_nulls_and_extreme_amounts
)
test_other_types_of_the_same_meaning_give_the_same_text = (
    test_extract.test_other_types_of_the_same_meaning_give_the_same_text
)
test_names_of_another_case_and_views_are_read = test_extract.test_names_of_another_case_and_views_are_read
test_a_page_that_the_server_would_cut_is_divided = (
    test_extract.test_a_page_that_the_server_would_cut_is_divided
)
test_all_connections_see_one_moment_while_others_write = (
    test_extract.test_all_connections_see_one_moment_while_others_write
)
test_nothing_is_written_to_the_source = test_extract.test_nothing_is_written_to_the_source
test_a_database_that_is_not_as_it_must_be_is_named = (
    test_extract.test_a_database_that_is_not_as_it_must_be_is_named
)
test_bad_rows_are_rejected_with_their_reason_and_good_ones_are_not = (
    test_bad_input.test_bad_rows_are_rejected_with_their_reason_and_good_ones_are_not
)
test_an_account_that_may_not_read_a_column_is_told_which = (
    test_bad_input.test_an_account_that_may_not_read_a_column_is_told_which
)
test_an_account_that_may_read_the_columns_needs_no_more = (
    test_bad_input.test_an_account_that_may_read_the_columns_needs_no_more
)
test_views_whose_definer_may_not_lock_are_read_by_one_connection = (
    test_bad_input.test_views_whose_definer_may_not_lock_are_read_by_one_connection
)
test_filled_up_numbers_and_dates_without_a_day_are_written_as_they_are = (
    test_bad_input.test_filled_up_numbers_and_dates_without_a_day_are_written_as_they_are
)
test_a_row_longer_than_the_server_may_send_is_named = (
    test_bad_input.test_a_row_longer_than_the_server_may_send_is_named
)
test_rows_of_one_id_are_read_though_they_do_not_fit_into_a_page = (
    test_bad_input.test_rows_of_one_id_are_read_though_they_do_not_fit_into_a_page
)

published, output = test_verify.published, test_verify.output
test_what_was_published_is_right_and_the_database_agrees = (
    test_verify.test_what_was_published_is_right_and_the_database_agrees
)
test_unusual_rows_are_compared_as_the_delivery_shows_them = (
    test_verify.test_unusual_rows_are_compared_as_the_delivery_shows_them
)
test_a_window_is_compared_with_the_same_window = test_verify.test_a_window_is_compared_with_the_same_window

test_an_account_that_can_write_is_refused_and_told_what_makes_a_reader = (
    test_grants.test_an_account_that_can_write_is_refused_and_told_what_makes_a_reader
)
test_a_reader_is_let_in_whatever_it_may_do_elsewhere = (
    test_grants.test_a_reader_is_let_in_whatever_it_may_do_elsewhere
)
test_the_privileges_of_active_roles_count = test_grants.test_the_privileges_of_active_roles_count

theirs = test_tables_file.theirs
test_the_proposed_tables_file_works_as_it_is_or_with_one_edit = (
    test_tables_file.test_the_proposed_tables_file_works_as_it_is_or_with_one_edit
)

test_since_is_inside_until_is_outside_and_null_is_nowhere = (
    test_window.test_since_is_inside_until_is_outside_and_null_is_nowhere
)
test_fractions_of_a_second_are_cut_as_in_the_csv = (
    test_window.test_fractions_of_a_second_are_cut_as_in_the_csv
)
test_a_date_is_its_midnight = test_window.test_a_date_is_its_midnight
test_a_zero_date_is_before_every_other = test_window.test_a_zero_date_is_before_every_other
test_a_window_costs_three_walks_along_the_table_at_most = (
    test_window.test_a_window_costs_three_walks_along_the_table_at_most
)
test_a_window_at_the_end_of_the_table_is_one_page = (
    test_window.test_a_window_at_the_end_of_the_table_is_one_page
)
test_as_of_names_the_tables_that_have_no_history = (
    test_window.test_as_of_names_the_tables_that_have_no_history
)
test_a_page_of_a_window_is_divided = test_window.test_a_page_that_the_server_would_cut_is_divided

if LONG:
    test_each_damage_is_found_offline_and_with_a_forged_manifest_by_the_database = (
        test_verify.test_each_damage_is_found_offline_and_with_a_forged_manifest_by_the_database
    )
    test_the_csv_is_what_plain_sql_on_their_own_tables_gives = (
        test_tables_file.test_the_csv_is_what_plain_sql_on_their_own_tables_gives
    )
