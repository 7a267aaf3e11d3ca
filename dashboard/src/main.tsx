import { render } from "preact";
import "uplot/dist/uPlot.min.css";
import "./style/tokens.css";
import "./style/page.css";
import "./style/controls.css";
import "./style/tally.css";
import "./style/cards.css";
import { App } from "./view/App";

const page = document.querySelector("#page");
if (page !== null) render(<App />, page);
