import { useEffect, useRef, type ReactNode } from 'react'
import { useText } from '../text/text'
import { Icon } from './Icon'

interface Props {
  title: string
  onClose: () => void
  children: ReactNode
}

/** Details beside a table. It takes the focus; whoever closes it gives the focus back to the row. */
export function Drawer({ title, onClose, children }: Props) {
  const { t } = useText()
  const heading = useRef<HTMLHeadingElement>(null)
  useEffect(() => {
    heading.current?.focus()
  }, [title])
  return (
    <aside
      aria-label={t('drawer.label')}
      onKeyDown={(e) => {
        if (e.key !== 'Escape') return
        e.stopPropagation()
        onClose()
      }}
      className="flex w-[352px] shrink-0 flex-col gap-4 border-l border-hair bg-white p-5 max-lg:fixed max-lg:inset-y-0 max-lg:right-0 max-lg:z-30 max-lg:overflow-y-auto max-lg:shadow-3 max-md:w-full"
    >
      <div className="flex items-start justify-between gap-2">
        <h2 ref={heading} tabIndex={-1} className="text-20 font-700 outline-none">
          {title}
        </h2>
        <button
          type="button"
          onClick={onClose}
          aria-label={t('action.close')}
          className="-m-2 flex size-11 shrink-0 items-center justify-center rounded-8 hover:bg-side"
        >
          <Icon name="close" />
        </button>
      </div>
      {children}
    </aside>
  )
}
