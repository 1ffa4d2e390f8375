// The state machine alone: inputs at times that the test chooses, and the effects that come of them.

import { deadline, initial, step } from "../src/machine.js";
import type { Effect, Input, State } from "../src/state.js";
import type { Options, Snapshot, Verdict } from "../src/types.js";

/** 2026-11-19; any will do, if it is not 0. */
export const BEGIN = 1_795_000_000_000;

export class Machine {
  state: State;
  now: number = BEGIN;
  random = 0.5;
  effects: Effect[] = [];
  /** All effects since the beginning. */
  readonly all: Effect[] = [];

  constructor(options: Options = {}) {
    this.state = initial(options);
    this.input("online");
  }

  /** One input; `effects` are then those of this input. */
  input(...input: Input): this {
    const [state, effects] = step(this.state, input, this.now, this.random);
    this.state = state;
    this.effects = [...effects];
    this.all.push(...effects);
    return this;
  }

  /** Time passes, and each deadline is met at its time; `effects` are those of all of it. */
  pass(ms: number): this {
    const end = this.now + ms;
    const effects: Effect[] = [];
    for (let at = deadline(this.state); at <= end; at = deadline(this.state)) {
      this.now = Math.max(this.now, at);
      effects.push(...this.input("tick").effects);
    }
    this.now = end;
    this.effects = effects;
    return this;
  }

  /** Time passes, and no timer rings in it; then one does. */
  sleep(ms: number): this {
    this.now += ms;
    return deadline(this.state) <= this.now ? this.input("tick") : this;
  }

  /** From an attempt that asks for its token to a connection that is shown. */
  opened(pings = true): this {
    if (this.state.phase === "off") this.input("connect");
    if (this.state.phase === "waiting") this.pass((this.state.retryAt ?? 0) - this.now);
    if (this.state.phase === "asking") this.input("ready");
    return this.input("opened", pings).pass(30);
  }

  /** As `opened`, by a server that answers pings. */
  greeted(): this {
    return this.opened().frame("hello", { node: "a", id: "1", v: 1 });
  }

  frame(event: string, data?: unknown): this {
    return this.input("frame", event, data);
  }

  closed(code: number, text = "", verdict?: Verdict): this {
    return this.input("closed", code, text, verdict);
  }

  /** An attempt whose connection is never opened. */
  refused(code = 1006): this {
    if (this.state.phase === "off") this.input("connect");
    if (this.state.phase === "waiting") this.pass((this.state.retryAt ?? 0) - this.now);
    return this.input("ready").closed(code);
  }

  get view(): Snapshot {
    return this.state.view;
  }
  /** How long until the next attempt, in milliseconds. */
  get wait(): number | null {
    return this.view.retryAt === null ? null : this.view.retryAt - this.now;
  }
  /** Names of the effects of the last input. */
  get done(): string[] {
    return this.effects.map(([name]) => name);
  }
  /** The last effect of a name, since the beginning. */
  last(name: Effect[0]): Effect | undefined {
    return this.all.filter(([one]) => one === name).at(-1);
  }
}
