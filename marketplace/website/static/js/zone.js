/* Chooses the browser's own time zone in every <select data-own-zone> where nothing is chosen yet. */

const own = new Intl.DateTimeFormat().resolvedOptions().timeZone;
for (const select of document.querySelectorAll("select[data-own-zone]")) {
  if (select.value || !own) continue;
  if ([...select.options].some((option) => option.value === own)) select.value = own;
}
