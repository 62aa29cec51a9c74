import assert from "node:assert/strict";
import { test } from "node:test";
import { ProblemError, sign, verify } from "@flexagora/sdk";

// The example of the Standard Webhooks specification.
const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const BODY = Buffer.from('{"test": 2432232314}');
const ID = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const SECONDS = 1_614_265_330;
const SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

const HEADERS = {
  "webhook-id": ID,
  "webhook-timestamp": String(SECONDS),
  "webhook-signature": SIGNATURE,
};

function refused(headers: Record<string, string | undefined>, at = SECONDS, body = BODY): void {
  assert.throws(
    () => verify(headers, body, [SECRET], at),
    (error) => error instanceof ProblemError && error.status === 401,
  );
}

test("the specification's example has its signature", () => {
  assert.equal(sign(ID, SECONDS, BODY, SECRET), SIGNATURE);
  verify(HEADERS, BODY, [SECRET], SECONDS);
});

test("one right signature by one known secret is enough", () => {
  const several = `v2,AAAA v1,AAAA ${SIGNATURE}`;
  const other = `whsec_${Buffer.alloc(32).toString("base64")}`;
  verify({ ...HEADERS, "webhook-signature": several }, BODY, [other, SECRET], SECONDS);
});

test("five minutes either way are taken, and not a second more", () => {
  for (const at of [SECONDS - 300, SECONDS + 300]) verify(HEADERS, BODY, [SECRET], at);
  for (const at of [SECONDS - 301, SECONDS + 301]) refused(HEADERS, at);
});

test("anything else is refused", () => {
  refused(HEADERS, SECONDS, Buffer.from('{"test": 2432232315}'));
  refused({ ...HEADERS, "webhook-id": "msg_another" });
  refused({ ...HEADERS, "webhook-timestamp": String(SECONDS + 1) });
  refused({ ...HEADERS, "webhook-timestamp": "1e9" });
  for (const name of Object.keys(HEADERS)) refused({ ...HEADERS, [name]: undefined });
  assert.throws(() => verify(HEADERS, BODY, [], SECONDS), ProblemError);
});
