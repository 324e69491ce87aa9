"""Refuses a role that can change the rows of the database."""

from extract.postgres.columns import RELATIONS
from extract.postgres.session import Session, quoted
from movimento_flat.errors import UserError

_NAMED = 8
_FIND_ROLE = """
    SELECT session_user::text, bool_or(rolsuper OR rolcreaterole) FROM pg_roles
    WHERE pg_has_role(session_user, oid, 'MEMBER')
"""
#: Tables that the role, or a role that it may become, may write or owns.
_FIND_WRITABLE = f"""
    SELECT DISTINCT c.oid::regclass::text
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_roles r ON pg_has_role(session_user, r.oid, 'MEMBER')
    WHERE c.relkind IN {RELATIONS} AND n.nspname NOT LIKE 'pg\\_%%' AND n.nspname <> 'information_schema'
        AND (c.relowner = r.oid OR has_table_privilege(r.oid, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
            OR has_any_column_privilege(r.oid, c.oid, 'INSERT, UPDATE'))
    ORDER BY 1 LIMIT %s
"""


def refuse_writers(session: Session) -> None:
    """Refuse a role that could change the rows of a table of the database.

    Raises:
        UserError: it could; the message has the statements that make a reader.
    """
    role, is_superuser = session.row(_FIND_ROLE)
    writable = [name for (name,) in session.all(_FIND_WRITABLE, (_NAMED + 1,))]
    if not is_superuser and not writable:
        return
    named = ", ".join(writable[:_NAMED]) + (", and more" if len(writable) > _NAMED else "")
    what = "is a superuser, or may make roles" if is_superuser else f"can change {named}"
    source = session.source
    schema = quoted(source.schema or "public")
    made = [
        "CREATE ROLE movimento_reader LOGIN PASSWORD '<a long random password>';",
        f"GRANT CONNECT ON DATABASE {quoted(source.database)} TO movimento_reader;",
        f"GRANT USAGE ON SCHEMA {schema} TO movimento_reader;",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO movimento_reader;",
    ]
    raise UserError(
        f"Role {role} {what}.",
        "Read by a role that can only read; --allow-writer takes this one all the same.\n     "
        + "\n     ".join(made),
    )
