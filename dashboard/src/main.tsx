// The door: styles, then the page that fits whoever is here.
import { render } from "preact";
import "./design/tokens.css";
import "./design/base.css";
import "./design/shell.css";
import "./design/streams.css";
import "./design/grid.css";
import "./design/panel.css";
import { App } from "./app";

const page = document.getElementById("page");
if (page) render(<App />, page);
