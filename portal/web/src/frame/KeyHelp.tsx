import { useState } from 'react'
import { Checkbox } from '../part/Checkbox'
import { Dialog } from '../part/Dialog'
import { useText } from '../text/text'
import { singleKeys } from './keys'
import type { Room } from './rooms'

/** Every key that acts, and the switch that turns single keys off. */
export function KeyHelp({ open, onClose, rooms }: { open: boolean; onClose: () => void; rooms: Room[] }) {
  const { t } = useText()
  const [on, setOn] = useState(singleKeys.on)
  const general: [string[], string][] = [
    [['/'], t('keys.search')],
    [['J', 'K'], t('keys.rows')],
    [['Enter'], t('keys.open')],
    [['Esc'], t('keys.back')],
    [['F6'], t('keys.panes')],
    [['['], t('keys.rail')],
    [['?'], t('keys.help')],
    ...rooms.map((r): [string[], string] => [['G', r.letter.toUpperCase()], t('keys.go', { room: t('room.' + r.id) })]),
  ]
  return (
    <Dialog title={t('keys.title')} open={open} onClose={onClose} wide>
      <dl className="grid grid-cols-2 gap-x-8 max-md:grid-cols-1">
        {general.map(([keys, what]) => (
          <div key={keys.join()} className="flex items-center gap-3 border-b border-hair py-2">
            <dt className="flex w-[104px] shrink-0 gap-1">
              {keys.map((k) => (
                <kbd key={k} className="key">
                  {k}
                </kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <Checkbox
        checked={on}
        onChange={(next) => {
          singleKeys.set(next)
          setOn(next)
        }}
      >
        {t('keys.switch')}
      </Checkbox>
    </Dialog>
  )
}
