// Reads the schemas: the systems, their events in both directions, and where the data of an event is in its schema.

import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

/** @typedef {Record<string, any>} Schema */
/** @typedef {"to-client" | "to-server"} Direction */
/**
 * `data` is the part of the schema that an event handler gets, or that `send` takes; null if there is none.
 * @typedef {{ name: string, direction: Direction, file: string, schema: Schema, data: Schema | null, isText: boolean }} Event
 */
/** @typedef {{ name: string, title: string, protocol: "Socket.IO" | "WebSocket", prefix: string, subpath: string }} System */
/** @typedef {System & { types: Schema, events: Event[] }} ReadSystem */

export const ROOT = dirname(fileURLToPath(import.meta.url));

/** @type {readonly System[]} `name` is a folder here and a preset of the node, `subpath` one of @channelgate/react. */
export const SYSTEMS = [
  { name: "dashboard", title: "Dashboard", protocol: "Socket.IO", prefix: "Dashboard", subpath: "dashboard" },
  { name: "attendance", title: "Dashboard (deployed)", protocol: "WebSocket", prefix: "Attendance", subpath: "dashboard" },
  { name: "tracker", title: "Tracker", protocol: "Socket.IO", prefix: "Tracker", subpath: "tracker" },
  { name: "feed", title: "Feed", protocol: "WebSocket", prefix: "Feed", subpath: "feed" },
  { name: "repair-shop", title: "Repair shop", protocol: "Socket.IO", prefix: "RepairShop", subpath: "repair-shop" },
  { name: "parking", title: "Parking", protocol: "WebSocket", prefix: "Parking", subpath: "parking" },
];

/** @type {readonly Direction[]} */
export const DIRECTIONS = ["to-client", "to-server"];

/** What the types and the manual can say, and what they leave to the schema. */
const KEYWORDS = new Set(
  ("$schema $defs $ref title description type const enum anyOf properties required additionalProperties items prefixItems" +
    " format pattern minimum minLength minItems").split(" "),
);

/** @param {string} file @returns {Schema} */
function json(file) {
  const schema = JSON.parse(readFileSync(file, "utf8"));
  check(schema, relative(ROOT, file));
  return schema;
}

/** An unknown keyword would make a type that says less than its schema. @param {Schema} schema @param {string} file */
function check(schema, file) {
  const unknown = Object.keys(schema).find((keyword) => !KEYWORDS.has(keyword));
  if (unknown) throw new Error(`${file}: the keyword ${unknown} is not known to the generator`);
  if (schema.type === "object" && typeof schema.additionalProperties !== "boolean") {
    throw new Error(`${file}: an object says whether it may have more fields, with additionalProperties`);
  }
  const { $defs = {}, properties = {}, anyOf = [], prefixItems = [], items } = schema;
  const inner = [...Object.values($defs), ...Object.values(properties), ...anyOf, ...prefixItems, ...(items ? [items] : [])];
  for (const one of inner) check(one, file);
}

/** @returns {ReadSystem[]} */
export function readSystems() {
  return SYSTEMS.map((system) => {
    const folder = join(ROOT, system.name);
    const types = readdirSync(folder).includes("types.json") ? json(join(folder, "types.json")).$defs : {};
    const events = DIRECTIONS.flatMap((direction) =>
      readdirSync(join(folder, direction))
        .sort()
        .map((name) => readEvent(join(folder, direction, name), direction, name.replace(/(\.text)?\.json$/, ""))),
    );
    return { ...system, types, events };
  });
}

/** @param {string} file @param {Direction} direction @param {string} name @returns {Event} */
function readEvent(file, direction, name) {
  const schema = json(file);
  const event = { name, direction, file: relative(ROOT, file), schema };
  if (file.endsWith(".text.json")) return { ...event, data: null, isText: true };
  return { ...event, data: dataOf(schema, direction), isText: false };
}

/**
 * Socket.IO: the argument behind the name. WebSocket: `data` of `{event, data}`; else the frame itself, which is sent
 * with its `type` by the client.
 * @param {Schema} schema @param {Direction} direction @returns {Schema | null}
 */
function dataOf(schema, direction) {
  if (schema.type === "array") return titled(schema, schema.prefixItems[1] ?? null);
  if (schema.properties.event) return titled(schema, schema.properties.data);
  if (direction === "to-client") return schema;
  const without = Object.entries(schema.properties).filter(([name]) => name !== "type");
  const required = schema.required.filter((/** @type {string} */ name) => name !== "type");
  return { ...schema, properties: Object.fromEntries(without), required };
}

/** @param {Schema} schema @param {Schema | null} data */
function titled({ title, description }, data) {
  return data && title ? { title, description, ...data } : data;
}

/**
 * What a `$ref` stands for: a name of the system's `types.json`, or a schema that all share.
 * @param {string} reference @returns {{ name: string, schema: Schema | null }}
 */
export function resolve(reference) {
  const [file = "", name = ""] = reference.split("#/$defs/");
  return { name, schema: file.endsWith("shared.json") ? shared()[name] : null };
}

/** @returns {Schema} */
const shared = () => json(join(ROOT, "shared.json")).$defs;
