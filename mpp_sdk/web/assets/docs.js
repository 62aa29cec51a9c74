"use strict";

const place = document.getElementById("contract");

SwaggerUIBundle({
  domNode: place,
  url: place.dataset.url,
  deepLinking: true,
  docExpansion: "list",
  validatorUrl: null, // the public validator would be told of every page view
});
