"""The app on a person's phone that gives the codes of a second factor."""

import time

import pyotp


class Authenticator:
    """Gives the codes of a secret as a page shows it, each time step's code once."""

    def __init__(self, secret: str) -> None:
        self._totp = pyotp.TOTP("".join(secret.split()))
        self._last_step = 0

    def code(self) -> str:
        """Return a code that was not given before: it waits for the next step if it must."""
        while (step := int(time.time()) // self._totp.interval) <= self._last_step:
            time.sleep(0.2)
        self._last_step = step
        return self._totp.generate_otp(step)
