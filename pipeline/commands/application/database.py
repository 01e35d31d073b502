"""The application's database, for commands that read it beside the running application."""

from __future__ import annotations


def opened_url(given: str | None) -> str:
    """Its URL: as given, else of the environment, else the default.

    Raises:
      InputError: there is no such database, or its tables are of another version.
    """
    from pydantic import SecretStr, ValidationError
    from sqlalchemy.exc import SQLAlchemyError

    from pipeline.errors import InputError
    from pipeline.terminal.typed import typed
    from serving.app.settings import Settings
    from serving.app.store import database, migrate

    try:
        settings = Settings() if given is None else Settings(database=SecretStr(given))
        url = settings.database.get_secret_value()
        parsed = database.parse(url, make_folder=False)
        if pending := migrate.pending(url):
            missing = ", ".join(pending)
            raise InputError(
                f"{parsed.render_as_string()} lacks the migrations {missing}: `{typed('app', 'migrate')}`"
            )
    except ValidationError as error:
        raise InputError("; ".join(str(one["msg"]) for one in error.errors())) from None
    except (SQLAlchemyError, ValueError) as error:
        raise InputError(f"the application's database: {error}".partition("\n")[0]) from error
    return url
