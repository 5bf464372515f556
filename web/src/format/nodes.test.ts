import { expect, it } from 'vitest';

import { livingFirst, versionsAlive, worksOn } from './nodes';

const node = (version: string, alive = true) => ({ version, alive });

it('puts the living before the dead, and leaves each in their order', () => {
  const [dead, first, lost, second] = [node('1', false), node('1'), node('2', false), node('2')];
  expect(livingFirst([dead, first, lost, second])).toEqual([first, second, dead, lost]);
});

it.each([
  [[], []],
  [[node('0.1.0'), node('0.1.0')], ['0.1.0']],
  [[node('0.1.0'), node('0.2.0'), node('0.1.0')], ['0.1.0', '0.2.0']],
  // What has ended says nothing of what runs.
  [[node('0.1.0', false), node('0.2.0')], ['0.2.0']],
])('%j run the versions %j', (nodes, versions) => {
  expect(versionsAlive(nodes)).toEqual(versions);
});

it.each([
  [0, 0, [0, 0, 0]],
  [8, 8, [8, 0, 0]],
  [9, 9, [8, 1, 0]],
  [100, 100, [8, 92, 0]],
  [130, 100, [8, 92, 30]],
])('of %i accounts, %i of them named, it shows %j', (all, named, shown) => {
  const ids = Array.from({ length: named }, (_, index) => index + 1);
  const { first, further, untold } = worksOn({ broker_accounts: all, works_on: ids });
  expect([first.length, further.length, untold]).toEqual(shown);
  expect([...first, ...further]).toEqual(ids);
});
