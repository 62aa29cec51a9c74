"use strict";

const place = document.getElementById("contract");
const methods = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

SwaggerUIBundle({
  domNode: place,
  url: place.dataset.url,
  deepLinking: true,
  docExpansion: "list",
  // what others serve cannot be tried out from here
  supportedSubmitMethods: place.dataset.servedHere === "true" ? methods : [],
  validatorUrl: null, // the public validator would be told of every page view
});
