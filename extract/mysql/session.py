"""Sessions of a MySQL or MariaDB server: how one is set, and what its errors mean for the user."""

from typing import Any

import pymysql
from pymysql.constants import CR, ER

from extract.mysql.connection import DatabaseConnection, HandshakeError, SilenceError
from extract.mysql.pages import PAGE_BYTES
from extract.mysql.tls import tls_trouble
from extract.source import Source
from movimento_flat.errors import UserError

#: Most characters of a server's error that are shown.
_SHOWN = 500

#: MUST_CHANGE_PASSWORD and MUST_CHANGE_PASSWORD_LOGIN, which the type stubs of ER lack.
_EXPIRED_PASSWORD = (1820, 1862)
#: ER_TOO_MANY_USER_CONNECTIONS, and MariaDB's ER_ACCESS_DENIED_NO_PASSWORD_ERROR.
_TOO_MANY_OF_USER, _NOT_BY_PASSWORD = 1203, 1698
#: Makes quotes, backslashes and zero dates mean the same on every server. It comes first: in a strict mode a server
#: refuses values beyond its maxima instead of lowering them.
_NO_MODES = "SET SESSION sql_mode = ''"
#: Lifts the limits by which a server cuts or ends statements. A page of rows comes as one GROUP_CONCAT; one that does
#: not fit is noticed and divided (`pages`). A connection waits while its rows are written, and while others read. In
#: comments stands what only MariaDB or only MySQL has.
_SESSION = f"""
    SET SESSION sql_select_limit = 18446744073709551615, SESSION sql_big_selects = 1,
        /*M! SESSION max_statement_time = 0, SESSION idle_transaction_timeout = 0,
        SESSION idle_readonly_transaction_timeout = 0, */
        /*!50708 SESSION max_execution_time = 0, */
        SESSION group_concat_max_len = {PAGE_BYTES}, SESSION lock_wait_timeout = 5,
        SESSION wait_timeout = 28800, SESSION net_write_timeout = 600
"""


def connect(source: Source, **options: Any) -> DatabaseConnection:
    """Open a connection whose session is set for extraction; `options` are PyMySQL's.

    Raises:
        UserError: no server answers, its certificate is not valid, or it refuses the account.
    """
    context = source.tls.context(source.host, source.unix_socket)

    def set_session(connection: DatabaseConnection) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_NO_MODES)
            cursor.execute(_SESSION)
            if source.time_zone:
                cursor.execute("SET SESSION time_zone = %s", (source.time_zone,))
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")

    try:
        return DatabaseConnection(
            source.limits,
            set_session,
            user=source.user,
            password=source.password.encode(errors="surrogateescape"),  # PyMySQL takes text for Latin-1
            host=source.host,
            port=source.port,
            unix_socket=source.unix_socket,
            database=source.database,
            charset="utf8mb4",
            autocommit=True,
            ssl=context,
            ssl_disabled=context is None,  # else PyMySQL would take TLS with any certificate
            **options,
        )
    except pymysql.MySQLError as error:
        raise explain(source, error) from error


def explain(source: Source, error: pymysql.MySQLError) -> UserError:
    """Return what an error of a `DatabaseConnection` means for the user."""
    if trouble := tls_trouble(error):
        what, next_step = trouble
        return UserError(f"Reading {source} failed: {what}.", next_step)
    if isinstance(error, SilenceError | HandshakeError):
        next_step = _SILENCE if isinstance(error, SilenceError) else _NO_SERVER
        return UserError(f"Reading {source} failed: {error.args[-1]}.", next_step)
    code, text = error.args[0], " ".join(str(error.args[-1]).split())[:_SHOWN].rstrip(".")
    step = _NEXT_STEPS.get(code, _ANY_NEXT_STEP).format(database=source.database, user=source.user)
    return UserError(f"Reading {source} failed: {text} (error {code}).", step)


#: ER_SECURE_TRANSPORT_REQUIRED of MySQL, which PyMySQL does not name; MariaDB says that the access is denied.
_TLS_IS_WANTED = 3159
_ANY_NEXT_STEP = "The database was only read. Run the command again when the cause is gone."
_SILENCE = (
    "See whether the server hangs (SHOW PROCESSLIST). If it only takes that long for a large table,"
    " give it more time: --read-timeout SECONDS."
)
_NO_SERVER = (
    "Check host and port in SOURCE: a MySQL or MariaDB server must answer there (its usual port is 3306)."
    " If one does, see whether it hangs, or a proxy between."
)
_GRANT = "Let the account read: GRANT SELECT, LOCK TABLES ON `{database}`.* TO '{user}'."
_NEXT_STEPS = {
    CR.CR_CONN_HOST_ERROR: "Check host and port in SOURCE, and that the server runs and can be reached from here.",
    CR.CR_CONNECTION_ERROR: "Check the socket's path in SOURCE, and that the server runs.",
    CR.CR_SERVER_LOST: "The connection broke while it was in use. Run the command again.",
    CR.CR_SERVER_GONE_ERROR: "The connection broke while it was in use. Run the command again.",
    CR.CR_AUTH_PLUGIN_CANNOT_LOAD: "Give the account a way to log in by password alone, such as"
    " mysql_native_password, caching_sha2_password, ed25519 or pam.",
    CR.CR_AUTH_PLUGIN_ERR: "Take an account that logs in by a password alone.",
    ER.ACCESS_DENIED_ERROR: "Check the user in SOURCE and the password (MYSQL_PWD, --password-file or the prompt);"
    " --tls verify if the account needs TLS.",
    ER.DBACCESS_DENIED_ERROR: _GRANT,
    ER.TABLEACCESS_DENIED_ERROR: _GRANT,
    **dict.fromkeys(
        _EXPIRED_PASSWORD,
        "The account's password has expired: its owner, or an administrator, sets a new one.",
    ),
    _TLS_IS_WANTED: "The server takes nobody without TLS: --tls verify, and --tls-ca FILE for an authority of its own.",
    ER.BAD_DB_ERROR: "Check the database's name at the end of SOURCE.",
    ER.CON_COUNT_ERROR: "Wait until others have ended, ask with fewer --connections, or raise max_connections there.",
    _TOO_MANY_OF_USER: "Ask with fewer --connections, or raise the account's MAX_USER_CONNECTIONS.",
    ER.HOST_IS_BLOCKED: "Too many attempts from this machine failed: an administrator of the server runs FLUSH HOSTS.",
    ER.HOST_NOT_PRIVILEGED: "Make the account for this machine: CREATE USER '{user}'@'HOST' ...",
    ER.OPTION_PREVENTS_STATEMENT: "The server forbids it by an option of its own: ask its administrator, or read"
    " from another server, such as a replica.",
    ER.UNKNOWN_TIME_ZONE: "Write --time-zone as a distance, such as -03:00; a zone's name needs the server's zone"
    " tables (mysql_tzinfo_to_sql).",
    ER.LOCK_WAIT_TIMEOUT: "Somebody else holds a table, such as a long ALTER TABLE or transaction: see SHOW"
    " PROCESSLIST, and run the command again when it has ended.",
    ER.VIEW_INVALID: "A view names a table or column that is gone, or that its definer may not read: see SHOW CREATE"
    " VIEW, and make the view again.",
    ER.NO_SUCH_USER: "A view belongs to an account that is gone: make it again (CREATE OR REPLACE VIEW ...), or make"
    " that account.",
    _NOT_BY_PASSWORD: "The server lets this account in by the name of the system's user alone (unix_socket or"
    " auth_socket): run as that user, or take an account with a password.",
}
