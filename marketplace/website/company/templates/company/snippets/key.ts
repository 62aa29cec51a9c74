const answer = await fetch("{{ address }}/notifications/v1/test", {
  headers: { "X-API-Key": "{{ secret }}", Accept: "application/json" },
});
console.log(answer.status, await answer.json());
