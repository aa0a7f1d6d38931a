/** `node_modules/.bin/node sandbox/partner/main.ts [port] [delay in ms]`: the partner as a process; it says where it listens. */
import { Partner } from './partner.ts';

const [port = '8090', delayMs = '0'] = process.argv.slice(2);
const partner = await Partner.open({ port: Number(port), delayMs: Number(delayMs) });
console.log(`The partner listens at ${partner.url}`);
