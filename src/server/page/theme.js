// SPDX-License-Identifier: MIT
// theme.js - the chosen colours, before the first line is drawn. Without a choice: the system's.
try {
  const theme = localStorage.getItem("brrr.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch { /* no storage: the system's */ }
