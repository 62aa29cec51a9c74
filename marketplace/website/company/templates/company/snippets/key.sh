curl -s {{ address }}/notifications/v1/test -H "X-API-Key: {{ secret }}"
