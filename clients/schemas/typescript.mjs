// Schemas as TypeScript: one interface for each name of `types.json` and each title, and the maps of events.

import { resolve } from "./read.mjs";

/** @typedef {import("./read.mjs").Schema} Schema */
/** @typedef {import("./read.mjs").ReadSystem} ReadSystem */
/** @typedef {import("./read.mjs").Event} Event */

/** The file of one subpath. @param {ReadSystem[]} systems @returns {string} */
export function typescript(systems) {
  const sources = systems.map(({ name }) => `clients/schemas/${name}`).join(" and ");
  const declarations = systems.flatMap(declare);
  const names = declarations.map(({ name }) => name);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice) throw new Error(`${sources}: two types are named ${twice}`);
  const parts = declarations.map(({ text }) => text);
  return [`// Generated from ${sources} by clients/schemas/generate.mjs: do not edit.\n`, ...parts].join("\n");
}

/** @param {ReadSystem} system @returns {{ name: string, text: string }[]} */
function declare(system) {
  const types = Object.entries(system.types).map(([name, schema]) => ({ name, text: declaration(name, schema) }));
  const titled = system.events.flatMap(({ data, file }) => {
    if (!data || data.$ref) return [];
    if (!data.title) throw new Error(`${file}: the data needs a title, the name of its type`);
    return [{ name: data.title, text: declaration(data.title, data) }];
  });
  const maps = [
    map(system, "to-client", "Events", `What a client of ${system.title} receives: the name of each event, and its data.`),
    map(system, "to-server", "Messages", `What a client of ${system.title} may send: the name of each message, and its data.`),
  ];
  return [...types, ...titled, ...maps];
}

/** @param {ReadSystem} system @param {string} direction @param {string} kind @param {string} description */
function map(system, direction, kind, description) {
  const name = `${system.prefix}${kind}`;
  const events = system.events.filter((event) => event.direction === direction && !event.isText);
  const fields = events.map(({ name, schema, data }) => field(name, data ? named(data) : "undefined", schema.description));
  const of = fields.length ? `interface ${name} {\n${fields.join("")}}` : `type ${name} = Record<never, never>;`;
  return { name, text: `${comment(description)}export ${of}\n` };
}

/** @param {Schema} data */
const named = (data) => (data.title ? data.title : type(data, 1));

/** @param {string} name @param {Schema} schema */
function declaration(name, schema) {
  const text = schema.type === "object" ? `interface ${name} ${object(schema, 0)}` : `type ${name} = ${type(schema, 0)};`;
  return `${comment(schema.description)}export ${text}\n`;
}

/** @param {Schema} schema @param {number} depth @returns {string} */
function type(schema, depth) {
  if (schema.$ref) {
    const { name, schema: shared } = resolve(schema.$ref);
    return shared ? type(shared, depth) : name;
  }
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((/** @type {unknown} */ one) => JSON.stringify(one)).join(" | ");
  if (schema.anyOf) return schema.anyOf.map((/** @type {Schema} */ one) => type(one, depth)).join(" | ");
  return [schema.type].flat().map((one) => simple(one, schema, depth)).join(" | ");
}

/** @param {string} name @param {Schema} schema @param {number} depth @returns {string} */
function simple(name, schema, depth) {
  switch (name) {
    case "string":
    case "boolean":
    case "null":
      return name;
    case "integer":
    case "number":
      return "number";
    case "array":
      return array(type(schema.items, depth));
    case "object":
      return object(schema, depth);
    default:
      throw new Error(`a type is missing in ${JSON.stringify(schema)}`);
  }
}

/** @param {string} item */
const array = (item) => (/^\w+$/.test(item) || item.startsWith("{") ? `${item}[]` : `(${item})[]`);

/** @param {Schema} schema @param {number} depth @returns {string} */
function object({ properties = {}, required = [], additionalProperties }, depth) {
  if (additionalProperties && !Object.keys(properties).length) return "Record<string, unknown>";
  const fields = Object.entries(properties).map(([name, of]) =>
    field(required.includes(name) ? name : `${name}?`, type(of, depth + 1), of.description, depth + 1),
  );
  if (additionalProperties) fields.push(field("[key: string]", "unknown", undefined, depth + 1));
  return `{\n${fields.join("")}${"  ".repeat(depth)}}`;
}

/** @param {string} name @param {string} of @param {string} [description] @param {number} [depth] */
function field(name, of, description, depth = 1) {
  const key = /^(\w+\??|\[.*\])$/.test(name) ? name : JSON.stringify(name);
  const pad = "  ".repeat(depth);
  return `${comment(description, pad)}${pad}${key}: ${of};\n`;
}

/** @param {string} [text] */
const comment = (text, pad = "") => (text ? `${pad}/** ${text.replaceAll("*/", "* /")} */\n` : "");
