/** How strictly is judged: also that nothing was refused, where the load is far below what the product can take. */
export interface Judgement {
  readonly strict: boolean;
}
