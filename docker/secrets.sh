#!/bin/sh
# Make the secrets of docker/compose.yaml that are not there yet, in docker/secrets/. The certificate
# that it makes is signed by itself, for a trial: put yours and its key in its place.
set -eu
umask 077
cd "$(dirname "$0")"
mkdir -p secrets
cd secrets

word() { openssl rand -hex 24; }
# The containers' accounts are not yours, so the files must be readable; the folder is closed.
once() { if [ -e "$1" ]; then cat > /dev/null; else cat > "$1.new" && chmod 0444 "$1.new" && mv "$1.new" "$1"; fi; }

word | once postgresql_password
word | once rabbitmq_password
word | once grafana_password
openssl rand 32 | openssl base64 | tr '+/' '-_' | once flexagora_secret_keys
printf 'postgresql+psycopg://flexagora:%s@postgresql/flexagora\n' "$(cat postgresql_password)" |
    once flexagora_database_url
printf 'amqp://flexagora:%s@rabbitmq/\n' "$(cat rabbitmq_password)" | once flexagora_broker_url
cat << JSON | once rabbitmq_definitions.json
{
  "vhosts": [{"name": "/"}],
  "users": [{"name": "flexagora", "password": "$(cat rabbitmq_password)", "tags": []}],
  "permissions": [
    {"user": "flexagora", "vhost": "/", "configure": "^flexagora[.]", "write": ".*", "read": "^flexagora[.]"}
  ]
}
JSON
if [ ! -e tls_certificate ]; then
    openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost \
        -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
        -keyout key.pem -out certificate.pem 2> /dev/null
    once tls_key < key.pem
    once tls_certificate < certificate.pem
    rm key.pem certificate.pem
fi
