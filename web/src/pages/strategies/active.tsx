/** Whether a strategy runs. Activating is done at once; pausing says first what it means. */
import { Stack, Switch, type SwitchProps } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useMutation } from '@tanstack/react-query';

import type { Schemas } from '../../api/client';
import { Question } from '../../parts/confirm';
import { PauseMeans, setActive } from '../../parts/pause';
import { Refusal } from '../../parts/state';

interface ActiveSwitchProps extends Pick<SwitchProps, 'label'> {
  strategy: Pick<Schemas['Strategy'], 'id' | 'name' | 'active'>;
}

export function ActiveSwitch({ strategy, label }: ActiveSwitchProps) {
  const { name, active } = strategy;
  const [asking, { open, close }] = useDisclosure();
  const activating = useMutation({ mutationFn: () => setActive(strategy, true) });
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
      <Question act={() => setActive(strategy, false)} asking={asking} close={close} confirm="Pause" title={`Pause ${name}`}>
        <PauseMeans {...strategy} />
      </Question>
    </Stack>
  );
}
