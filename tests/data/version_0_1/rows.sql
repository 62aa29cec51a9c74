-- What a provider's platform held: a subscription, a granted consent, a dead and a queued notification.

INSERT INTO mpp_subscription (id, role, state, state_since, details, key_hash)
VALUES ('0197c2d46b1e7c3a9d5e2f1a4b6c8d91', 'provider', 'ACTIVE', '2026-11-01 10:00:00.000000', '{}', 'none');

INSERT INTO mpp_point_of_delivery
  (subscription_id, pod_id, consent, consent_since, activation, suspended_with_subscription, updated_at)
VALUES
  ('0197c2d46b1e7c3a9d5e2f1a4b6c8d91', 'POD-1', 'GRANTED', '2026-11-01 10:00:00.000000', 'ACTIVE', false,
   '2026-11-01 10:00:00.000000');

INSERT INTO outbox_lane (name, breaker_state, consecutive_failures) VALUES ('marketplace', 'CLOSED', 0);

INSERT INTO outbox_event
  (event_id, lane, ordering_key, kind, method, path, payload, occurred_at, created_at, state, attempts, failures,
   first_attempt_at, finished_at, dead_reason)
VALUES
  ('0197c2d46b1e7c3a9d5e2f1a4b6c8da1', 'marketplace', '0197c2d4-6b1e-7c3a-9d5e-2f1a4b6c8d91', 'service.consent', 'POST',
   '/service/consent', '{"podId":"POD-1"}', '2026-11-01 10:00:00.000000', '2026-11-01 10:00:00.000000', 'DEAD', 1, 1,
   '2026-11-01 10:00:01.000000', '2026-11-01 10:00:01.000000', 'The platform answered 422.');

INSERT INTO outbox_event
  (event_id, lane, ordering_key, kind, method, path, payload, occurred_at, created_at, state, attempts, failures)
VALUES
  ('0197c2d46b1e7c3a9d5e2f1a4b6c8da2', 'marketplace', '0197c2d4-6b1e-7c3a-9d5e-2f1a4b6c8d91', 'service.activation', 'POST',
   '/service/activation', '{"podId":"POD-1"}', '2026-11-01 10:00:00.000000', '2026-11-01 10:00:00.000000', 'QUEUED', 0, 0);

INSERT INTO outbox_arrival (lane, ordering_key) VALUES ('marketplace', '0197c2d4-6b1e-7c3a-9d5e-2f1a4b6c8d91');

INSERT INTO outbox_attempt (event_id, number, started_at, duration_ms, status, resulting_state)
VALUES ('0197c2d46b1e7c3a9d5e2f1a4b6c8da1', 1, '2026-11-01 10:00:01.000000', 12, 422, 'DEAD');
