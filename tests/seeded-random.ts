/** Numbers that look random and are the same for the same seed. */
export { Random as SeededRandom } from '../torture/plan/random.ts';
