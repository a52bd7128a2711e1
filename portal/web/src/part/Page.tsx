import { useEffect, type ReactNode } from 'react'
import { useText } from '../text/text'

interface Props {
  title: string
  /** Shown beside the title: a state, a count. */
  aside?: ReactNode
  actions?: ReactNode
  above?: ReactNode
  /** The content says by itself where one is: the title is for readers only. */
  quiet?: boolean
  children: ReactNode
}

/** The title row and width of an ordinary screen. */
export function Page({ title, aside, actions, above, quiet = false, children }: Props) {
  const { t } = useText()
  useEffect(() => {
    document.title = `${title} | ${t('product')}`
  }, [title, t])
  return (
    <div className="flex max-w-[1200px] flex-col gap-6 px-10 pt-7 pb-14 max-md:px-4 max-md:pt-5">
      <div className={quiet ? 'sr-only' : 'flex flex-col gap-2'}>
        {above}
        <div className="flex flex-wrap items-center justify-between gap-x-6 gap-y-3">
          <div className="flex flex-wrap items-center gap-x-5 gap-y-1">
            <h1 tabIndex={-1} className="text-28 font-700">
              {title}
            </h1>
            {aside}
          </div>
          {actions && <div className="flex flex-wrap gap-3">{actions}</div>}
        </div>
      </div>
      {children}
    </div>
  )
}
