TOKEN=$(curl -s {{ address }}/api/v1/oauth/token -u "{{ client_id }}:{{ secret }}" \
  -d grant_type=client_credentials | sed 's/.*"access_token": *"\([^"]*\)".*/\1/')
curl -s {{ address }}/api/v1/market-players/{{ player }} -H "Authorization: Bearer $TOKEN"
