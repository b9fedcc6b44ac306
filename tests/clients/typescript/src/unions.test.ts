// A kind that the document does not name is an error of the parser, never an object without members.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { zEventView, zWorkItem } from './client/zod.gen.js';

const attempt = '01920000-0000-7000-8000-000000000001';

test('known kinds are parsed as what they are', () => {
  const item = zWorkItem.parse({ kind: 'void', attempt });
  assert.equal(item.kind, 'void');
  assert.equal(item.attempt, attempt);
});

test('an unknown kind is refused', () => {
  assert.throws(() => zWorkItem.parse({ kind: 'teleport', attempt }), /kind/);
  assert.throws(() => zWorkItem.parse({ attempt }), /kind/);
  const event = { position: 1, stream: 'order', stream_id: attempt, at: '2026-11-18T11:06:40Z', payload: {} };
  assert.throws(() => zEventView.parse({ ...event, kind: 'order.teleported' }), /kind/);
});

test('a variant without its members is refused', () => {
  assert.throws(() => zWorkItem.parse({ kind: 'vend', attempt }), /authorization/);
});
