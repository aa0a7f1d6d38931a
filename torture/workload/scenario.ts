import type { Random } from '../plan/random.ts';
import type { HttpCaller } from './http-caller.ts';

export interface Scene {
  readonly caller: HttpCaller;
  /** Nobody else's: the beginning of every key of the scenario. */
  readonly name: string;
}

export type Act = (scene: Scene) => Promise<unknown>;

/** One small story. All numbers are drawn before anything is asked. */
export interface Scenario {
  readonly name: string;
  readonly weight: number;
  readonly draw: (random: Random) => Act;
}
