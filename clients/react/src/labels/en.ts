// English, and what another language is made of.

export { plural, type ComponentLabels, type Count, type Forms, type Labels, type PresetLabels } from "../labels.js";
export { allEnglish as en } from "../preset-labels.js";
