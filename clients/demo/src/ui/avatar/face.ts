// What a face is made of, chosen from an id.

export interface Looks {
  readonly gender?: "male" | "female" | "unknown" | undefined;
  readonly age?: number | undefined;
}

export type Hair = "crop" | "parted" | "quiff" | "buzz" | "bald" | "curls" | "bun" | "long" | "bob" | "tail" | "scarf" | "beanie";
export type Mouth = "smile" | "grin" | "open" | "calm";
export type Eyes = "round" | "happy" | "lashes";

export interface Face {
  /** Of the backdrop, in degrees. */
  readonly backdrop: number;
  readonly skin: string;
  readonly shade: string;
  readonly hair: Hair;
  readonly hairColour: string;
  readonly clothes: string;
  readonly second: string;
  readonly head: string;
  readonly mouth: Mouth;
  readonly eyes: Eyes;
  readonly beard: "none" | "full" | "moustache";
  readonly glasses: "none" | "round" | "square";
  readonly earrings: boolean;
  readonly collar: "round" | "shirt" | "hood";
  readonly freckles: boolean;
}

/** Skin, and the same in shadow. */
const SKINS = [
  ["#fbd9c0", "#eab893"],
  ["#f3c6a0", "#dea474"],
  ["#e2a97c", "#c78a5c"],
  ["#c68650", "#a96c39"],
  ["#9d6238", "#824d28"],
  ["#744426", "#5b331b"],
] as const;
const HAIR_COLOURS = ["#1f1a1c", "#33241d", "#533624", "#7a4a27", "#a8692f", "#d49b4c", "#8d3b22", "#2b2f45"];
const DARK_HAIR = ["#1f1a1c", "#33241d", "#2b2f45", "#1a1512"];
const GREYS = ["#b9bec6", "#d6d9de", "#8b9099"];
const CLOTHES = ["#0f766e", "#6d3fc0", "#c25a12", "#1d5fb8", "#b02a66", "#3b6e3f", "#3d4a5c", "#b8860b", "#8a2f2f", "#e8e4da"];
const HEADS = [
  "M18 26C18 15 24 11 32 11s14 4 14 15v6c0 9-6 15.5-14 15.5S18 41 18 32Z",
  "M18 25C18 15 24 11 32 11s14 4 14 14v9c0 8-6 13-14 13S18 42 18 34Z",
  "M18.5 26C18.5 15 24 11 32 11s13.5 4 13.5 15v5c0 9-5 17-13.5 17S18.5 40 18.5 31Z",
] as const;

const ANY: readonly Hair[] = ["crop", "parted", "quiff", "buzz", "curls", "bun", "long", "bob", "tail", "scarf", "beanie", "bald"];
const OF_MEN: readonly Hair[] = ["crop", "crop", "parted", "quiff", "buzz", "curls", "beanie", "bald", "long"];
const OF_WOMEN: readonly Hair[] = ["long", "long", "bob", "bob", "bun", "tail", "curls", "scarf", "parted", "beanie"];

/** Numbers from 0 to 1 that follow from the seed (mulberry32 over FNV-1a). */
function numbersOf(seed: string): () => number {
  let state = 0x811c9dc5;
  for (const letter of seed) state = Math.imul(state ^ letter.codePointAt(0)!, 0x01000193);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export function faceOf(seed: number | string, { gender = "unknown", age = 35 }: Looks = {}): Face {
  const next = numbersOf(`face ${seed}`);
  const pick = <T>(of: readonly T[]): T => of[Math.floor(next() * of.length)]!;
  const isGrey = next() < (age - 42) / 28;
  const [skin, shade] = pick(SKINS);
  // Red and fair hair is rare there, and has too little contrast.
  const colours = SKINS.findIndex(([one]) => one === skin) > 3 ? DARK_HAIR : HAIR_COLOURS;
  const hair = pick(gender === "male" ? OF_MEN : gender === "female" ? OF_WOMEN : ANY);
  const hairColour = isGrey ? pick(GREYS) : pick(colours);
  const clothes = pick(CLOTHES);
  const mayHaveBeard = gender === "male" || (gender === "unknown" && /crop|quiff|buzz|bald/.test(hair));
  const hasBeard = age > 20 && next() < 0.4;
  return {
    backdrop: Math.round(next() * 12) * 30,
    skin,
    shade,
    hair,
    hairColour,
    clothes,
    second: pick(CLOTHES.filter((other) => other !== clothes)),
    head: pick(HEADS),
    mouth: pick<Mouth>(["smile", "smile", "grin", "open", "calm"]),
    eyes: gender === "female" ? pick<Eyes>(["lashes", "lashes", "happy"]) : pick<Eyes>(["round", "round", "happy"]),
    beard: mayHaveBeard && hasBeard ? pick(["full", "moustache", "full"] as const) : "none",
    glasses: next() < (age > 50 ? 0.5 : 0.22) ? pick(["round", "square"] as const) : "none",
    earrings: gender !== "male" && next() < 0.4 && !/scarf|long|bob/.test(hair),
    collar: pick(["round", "shirt", "hood"] as const),
    freckles: next() < 0.14,
  };
}
