// Schemas as a page of the manual: for each system its events in both directions, and the fields of their data.

import { resolve } from "./read.mjs";

/** @typedef {import("./read.mjs").Schema} Schema */
/** @typedef {import("./read.mjs").ReadSystem} ReadSystem */
/** @typedef {import("./read.mjs").Event} Event */

const HEAD = `# Events of the five systems

<!-- Generated from clients/schemas by clients/schemas/generate.mjs: do not edit. -->

What the nodes' presets send to clients and accept from them, as the JSON Schemas in \`clients/schemas\` say it. The end-to-end tests cause each of these events
through a real Django and a real node, and check every frame with its schema. The types of \`@channelgate/react\` are made of the same schemas.

- Over Socket.IO the data is the event's argument. Over a plain WebSocket a frame is JSON: \`{"event": …, "data": …}\`, or an object with \`type\`, in which case the data is the whole frame.
- \`time\` is text in the form of ISO 8601 with its offset, \`date\` that of a day, \`id\` an integer or text.
- A field with \`?\` may be missing. An object that ends with \`…\` may have further fields.
- Django may send events of its own to a room; the presets pass them on, and no schema describes them.
`;

/** @param {ReadSystem[]} systems @returns {string} */
export function markdown(systems) {
  return [HEAD, ...systems.map(section)].join("\n");
}

/** @param {ReadSystem} system */
function section(system) {
  const { title, name, protocol, prefix, subpath, types, events } = system;
  const of = (/** @type {string} */ direction) => events.filter((event) => event.direction === direction);
  const titled = events.flatMap(({ data }) => (data && !data.$ref && data.title ? [{ name: data.title, schema: data }] : []));
  const all = [...Object.entries(types).map(([name, schema]) => ({ name, schema })), ...titled];
  return [
    `## ${title}`,
    `Preset \`${name}\`, ${protocol}. Types in \`@channelgate/react/${subpath}\`: \`${prefix}Events\` and \`${prefix}Messages\`.`,
    "**From the server**",
    table(["event", "data", "meaning"], of("to-client").map(row)),
    "**To the server**",
    table(["message", "data", "meaning"], of("to-server").map(row)),
    ...all.flatMap(({ name, schema }) => fields(name, schema)),
  ].join("\n\n") + "\n";
}

/** @param {Event} event */
const row = ({ name, data, schema, isText }) => [`\`${name}\``, isText ? "text" : data ? kind(data) : "–", schema.description];

/** The fields of an object, or of each form that it may have. @param {string} name @param {Schema} schema @returns {string[]} */
function fields(name, schema) {
  const forms = (schema.anyOf ?? [schema]).filter((/** @type {Schema} */ form) => form.type === "object" && form.properties);
  if (!forms.length) return schema.title ? [] : [`**${name}**: ${kind(schema)}. ${schema.description}`];
  return forms.flatMap((/** @type {Schema} */ form, /** @type {number} */ at) => [
    `**${name}**${at ? ", or" : `: ${schema.description}`}`,
    table(["field", "type", "meaning"], rows(form)),
  ]);
}

/** @param {Schema} schema @param {string} [prefix] @returns {string[][]} */
function rows({ properties = {}, required = [], additionalProperties }, prefix = "") {
  const own = Object.entries(properties).flatMap(([name, of]) => {
    const path = `${prefix}${name}${required.includes(name) ? "" : "?"}`;
    const inner = of.type === "array" && of.items.properties ? rows(of.items, `${prefix}${name}[].`) : [];
    return [[`\`${path}\``, kind(of), of.description ?? ""], ...inner];
  });
  return additionalProperties && Object.keys(properties).length ? [...own, [`${prefix}…`, "anything", ""]] : own;
}

/** What a value is, in words. @param {Schema} schema @returns {string} */
function kind(schema) {
  if (schema.$ref) {
    const { name, schema: shared } = resolve(schema.$ref);
    if (!shared) return `\`${name}\``;
    const words = { DateTime: "time", Date: "date", Id: "id" };
    return name in words ? words[/** @type {keyof typeof words} */ (name)] : kind(shared);
  }
  if (schema.title) return `\`${schema.title}\``;
  if ("const" in schema) return `\`${JSON.stringify(schema.const)}\``;
  if (schema.enum) return schema.enum.map((/** @type {unknown} */ one) => `\`${JSON.stringify(one)}\``).join(", ");
  if (schema.anyOf) return schema.anyOf.map(kind).join(" or ");
  return [schema.type].flat().map((one) => word(one, schema)).join(" or ");
}

/** @param {string} type @param {Schema} schema */
function word(type, { items, properties }) {
  if (type === "array") return items.properties ? "list of objects" : `list of ${kind(items)}`;
  if (type === "object") return properties && Object.keys(properties).length ? `\`{${Object.keys(properties).join(", ")}}\`` : "object";
  return { string: "text", null: "`null`" }[type] ?? type;
}

/** @param {string[]} heading @param {string[][]} rows */
function table(heading, rows) {
  const line = (/** @type {string[]} */ cells) => `| ${cells.join(" | ")} |`.replaceAll("  |", " |");
  return [line(heading), line(heading.map(() => "---")), ...rows.map(line)].join("\n");
}
