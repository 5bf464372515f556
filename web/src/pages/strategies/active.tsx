/** Whether a strategy runs. Activating is done at once; pausing says first what it means. */
import { Stack, Switch, type SwitchProps } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useMutation, useQueryClient } from '@tanstack/react-query';

import { type Schemas, api, got } from '../../api/client';
import { Question } from '../../parts/confirm';
import { Refusal } from '../../parts/state';

interface ActiveSwitchProps extends Pick<SwitchProps, 'label'> {
  strategy: Pick<Schemas['Strategy'], 'id' | 'name' | 'active'>;
}

export function ActiveSwitch({ strategy, label }: ActiveSwitchProps) {
  const { id, name, active } = strategy;
  const [asking, { open, close }] = useDisclosure();
  const queries = useQueryClient();
  const change = async (next: boolean) => {
    await got(api.PATCH('/api/v1/strategies/{id}', { params: { path: { id } }, body: { active: next } }));
    void queries.invalidateQueries({ queryKey: ['plan'] });
    await queries.invalidateQueries({ queryKey: ['strategies'] });
  };
  const activating = useMutation({ mutationFn: () => change(true) });
  return (
    <Stack gap="xs">
      <Switch
        aria-label={`${name} is active`}
        checked={active}
        disabled={activating.isPending}
        label={label}
        onChange={() => {
          if (active) {
            open();
          } else {
            activating.mutate();
          }
        }}
      />
      {activating.error !== null && <Refusal error={activating.error} />}
      <Question act={() => change(false)} asking={asking} close={close} confirm="Pause" title={`Pause ${name}`}>
        {name} ignores every alert until you activate it again, exits among them. Entries that have not been sent yet are
        refused. A position that it holds stays open: flatten it if it should not.
      </Question>
    </Stack>
  );
}
