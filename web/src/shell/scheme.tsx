/** Light or dark. Without a choice it follows the system. */
import { ActionIcon, useComputedColorScheme, useMantineColorScheme } from '@mantine/core';
import { IconMoon, IconSun } from '@tabler/icons-react';

export function SchemeSwitch() {
  const { setColorScheme } = useMantineColorScheme();
  const dark = useComputedColorScheme('light') === 'dark';
  return (
    <ActionIcon
      aria-label={dark ? 'Switch to light colours' : 'Switch to dark colours'}
      onClick={() => {
        setColorScheme(dark ? 'light' : 'dark');
      }}
      variant="default"
    >
      {dark ? <IconSun size={16} /> : <IconMoon size={16} />}
    </ActionIcon>
  );
}
