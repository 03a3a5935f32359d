"""The one error a user may see: what is wrong, what was expected, what to do next."""


class UserError(Exception):
    """A mistake or an outside failure that the user can mend.

    The command line prints it as one line and exits with status 1; from Python it is an ordinary
    exception. Anything else that escapes is a defect of repo2agent itself.
    """


class FatalError(UserError):
    """A failure that every other source would meet too, such as a full disk: going on would lose them all."""
