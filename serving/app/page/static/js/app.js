// What the page adds where scripts run. Without them every form and link works by itself.
import { enhance } from "./swap.js";
import { suggest } from "./suggest.js";

document.documentElement.classList.add("scripted");
enhance();
for (const form of document.querySelectorAll("form[data-suggest]")) suggest(form);
if (document.querySelector("canvas[data-points]")) import("./map.js").then((map) => map.start());
