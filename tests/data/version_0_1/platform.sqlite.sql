-- The database of a platform as version 0.1 of the SDK made it, on SQLite.

CREATE TABLE idempotent_reply (
	subject VARCHAR(64) NOT NULL,
	operation VARCHAR(128) NOT NULL,
	"key" VARCHAR(128) NOT NULL,
	fingerprint VARCHAR(64) NOT NULL,
	reply TEXT,
	created_at DATETIME NOT NULL,
	PRIMARY KEY (subject, operation, "key")
);

CREATE INDEX ix_idempotent_reply_created_at ON idempotent_reply (created_at);

CREATE TABLE mpp_event (
	event_id CHAR(32) NOT NULL,
	subscription_id CHAR(32) NOT NULL,
	role VARCHAR(16) NOT NULL,
	told_state VARCHAR(16) NOT NULL,
	reason TEXT,
	occurred_at DATETIME NOT NULL,
	received_at DATETIME NOT NULL,
	outcome VARCHAR(16) NOT NULL,
	PRIMARY KEY (event_id)
);

CREATE INDEX ix_mpp_event_subscription ON mpp_event (subscription_id, occurred_at);

CREATE TABLE mpp_inbound_key (
	id CHAR(32) NOT NULL,
	key_hash VARCHAR(64) NOT NULL,
	valid_from DATETIME NOT NULL,
	valid_until DATETIME NOT NULL,
	overlap_ends_at DATETIME NOT NULL,
	first_used_at DATETIME,
	PRIMARY KEY (id),
	UNIQUE (key_hash)
);

CREATE TABLE mpp_outbound_key (
	callee VARCHAR(255) NOT NULL,
	encrypted_key TEXT NOT NULL,
	configured_hash VARCHAR(64) NOT NULL,
	valid_until DATETIME,
	refresh_id VARCHAR(128),
	PRIMARY KEY (callee)
);

CREATE TABLE mpp_subscription (
	id CHAR(32) NOT NULL,
	role VARCHAR(16) NOT NULL,
	state VARCHAR(16) NOT NULL,
	state_since DATETIME NOT NULL,
	reason TEXT,
	details JSON NOT NULL,
	key_hash VARCHAR(64) NOT NULL,
	encrypted_key TEXT,
	next_interim_at DATETIME,
	PRIMARY KEY (id)
);

CREATE INDEX ix_mpp_subscription_key_hash ON mpp_subscription (key_hash);

CREATE INDEX ix_mpp_subscription_next_interim_at ON mpp_subscription (next_interim_at);

CREATE INDEX ix_mpp_subscription_state ON mpp_subscription (state);

CREATE TABLE outbox_arrival (
	id INTEGER NOT NULL,
	lane VARCHAR(200) NOT NULL,
	ordering_key VARCHAR(200) NOT NULL,
	PRIMARY KEY (id)
);

CREATE TABLE outbox_event (
	position INTEGER NOT NULL,
	event_id CHAR(32) NOT NULL,
	lane VARCHAR(200) NOT NULL,
	ordering_key VARCHAR(200) NOT NULL,
	kind VARCHAR(100) NOT NULL,
	method VARCHAR(10) NOT NULL,
	path TEXT NOT NULL,
	payload TEXT NOT NULL,
	encrypted_secrets TEXT,
	correlation_id VARCHAR(200),
	occurred_at DATETIME NOT NULL,
	created_at DATETIME NOT NULL,
	state VARCHAR(16) NOT NULL,
	attempts INTEGER NOT NULL,
	failures INTEGER NOT NULL,
	first_attempt_at DATETIME,
	next_attempt_at DATETIME,
	not_before DATETIME,
	finished_at DATETIME,
	dead_reason TEXT,
	PRIMARY KEY (position)
);

CREATE INDEX ix_outbox_event_lane_event_id ON outbox_event (lane, event_id);

CREATE INDEX ix_outbox_event_sendable ON outbox_event (lane, next_attempt_at) WHERE next_attempt_at IS NOT NULL;

CREATE INDEX ix_outbox_event_state_event_id ON outbox_event (state, event_id);

CREATE INDEX ix_outbox_event_unfinished ON outbox_event (lane, ordering_key, position) WHERE finished_at IS NULL;

CREATE UNIQUE INDEX uq_outbox_event_event_id ON outbox_event (event_id);

CREATE TABLE outbox_lane (
	name VARCHAR(200) NOT NULL,
	due_at DATETIME,
	lease_token CHAR(32),
	lease_owner VARCHAR(200),
	lease_expires_at DATETIME,
	breaker_state VARCHAR(16) NOT NULL,
	consecutive_failures INTEGER NOT NULL,
	probe_at DATETIME,
	PRIMARY KEY (name)
);

CREATE INDEX ix_outbox_lane_due_at ON outbox_lane (due_at);

CREATE TABLE mpp_point_of_delivery (
	subscription_id CHAR(32) NOT NULL,
	pod_id VARCHAR(60) NOT NULL,
	consent VARCHAR(16),
	consent_since DATETIME,
	consent_start DATETIME,
	consent_end DATETIME,
	activation VARCHAR(16),
	suspended_with_subscription BOOLEAN NOT NULL,
	reason TEXT,
	updated_at DATETIME NOT NULL,
	PRIMARY KEY (subscription_id, pod_id),
	FOREIGN KEY(subscription_id) REFERENCES mpp_subscription (id)
);

CREATE INDEX ix_mpp_pod_activation ON mpp_point_of_delivery (subscription_id, activation);

CREATE INDEX ix_mpp_pod_consent ON mpp_point_of_delivery (consent, consent_end);

CREATE TABLE outbox_attempt (
	event_id CHAR(32) NOT NULL,
	number INTEGER NOT NULL,
	started_at DATETIME NOT NULL,
	duration_ms INTEGER NOT NULL,
	status INTEGER,
	error TEXT,
	response_body TEXT,
	resulting_state VARCHAR(16) NOT NULL,
	PRIMARY KEY (event_id, number),
	CONSTRAINT fk_outbox_attempt_event_id FOREIGN KEY(event_id) REFERENCES outbox_event (event_id)
);
