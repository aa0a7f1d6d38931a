/** Why a person did something, for who reads it later. */

/** In characters (code points): some sentences. */
export const MAX_REASON_LENGTH = 500;

/** Neither control, format or filler characters nor spaces (Unicode; U+2800 is a Braille pattern without dots). */
const VISIBLE = /[^\p{C}\p{Z}\p{Default_Ignorable_Code_Point}\u2800]/u;

/** Whether a text shows anything when it is printed. */
export function isVisible(text: string): boolean {
  return VISIBLE.test(text);
}

/** Text of 1 to 500 characters, something of it visible: what is recorded as a reason says something. */
export function isReason(text: string): boolean {
  return isVisible(text) && Array.from(text).length <= MAX_REASON_LENGTH;
}
