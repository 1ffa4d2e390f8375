// Every component that speaks brings the announcer along, so it is beside what all components share.

export { Announcer } from "./parts.js";
