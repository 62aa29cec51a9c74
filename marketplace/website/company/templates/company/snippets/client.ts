const given = await fetch("{{ address }}/api/v1/oauth/token", {
  method: "POST",
  headers: { Authorization: "Basic " + btoa("{{ client_id }}:{{ secret }}") },
  body: new URLSearchParams({ grant_type: "client_credentials" }),
});
const token = await given.json();
const answer = await fetch("{{ address }}/api/v1/market-players/{{ player }}", {
  headers: { Authorization: `Bearer ${token.access_token}` },
});
console.log(answer.status, await answer.json());
