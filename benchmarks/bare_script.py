"""What remembers nothing: 32 threads that sign, post, and go on.

`python -m benchmarks.bare_script SECONDS URL...` prints how many were acknowledged in a
second, and the seconds of processor time that each cost.
"""

import sys
import threading
import time

import requests
from standardwebhooks import Webhook

from mpp_sdk.clock import now
from mpp_sdk.ids import new_id
from mpp_sdk.webhooks import new_signing_secret

_THREADS = 32
_BODY = b'{"eventId":"%s","subscriptionId":"%s","reason":"' + b"x" * 300 + b'"}'


def main(seconds: float, urls: list[str]) -> None:
    """Post for some seconds, each thread to one platform after the other."""
    webhook = Webhook(new_signing_secret())
    acknowledged = [0] * _THREADS
    begun = time.monotonic()

    def post(thread: int) -> None:
        with requests.Session() as session:
            turn = thread
            while time.monotonic() - begun < seconds:
                turn += 1
                event_id = str(new_id())
                body = _BODY % (event_id.encode(), event_id.encode())
                moment = now()
                headers = {
                    "Content-Type": "application/json",
                    "X-API-Key": "mpp_0123456789",
                    "webhook-id": event_id,
                    "webhook-timestamp": str(int(moment.timestamp())),
                    "webhook-signature": webhook.sign(event_id, moment, body.decode()),
                }
                answer = session.post(urls[turn % len(urls)], data=body, headers=headers)
                acknowledged[thread] += answer.status_code == 200

    threads = [threading.Thread(target=post, args=(number,)) for number in range(_THREADS)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    count = sum(acknowledged)
    print(count / (time.monotonic() - begun), time.process_time() / count, flush=True)


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2:])
