import { expect, it } from 'vitest';
import { messageIdOf } from './request.ts';

const TOLD = { event: 'authorization/3/1041', subject: 'pay_01m8f1r6gbf84r42d0d5rmtcpc' };

it('names a message by its event and subject, however often it is asked', () => {
  expect(messageIdOf(TOLD)).toBe(messageIdOf({ ...TOLD }));
  expect(messageIdOf(TOLD)).not.toBe(messageIdOf({ ...TOLD, event: 'authorization/3/1042' }));
});

it('names what stands at the same place of another log otherwise: behind a backup that was put back, a receiver passes nothing over', () => {
  expect(messageIdOf(TOLD)).not.toBe(messageIdOf({ ...TOLD, subject: 'pay_01m8f1skyqety9ee18bz57x68j' }));
});
