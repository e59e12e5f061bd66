/** How the rows of the screen are shared out. */
export interface Layout {
  readonly columns: number;
  readonly rows: number;
  /** The menu stands in one row, beside nothing: there are few rows. */
  readonly isFlat: boolean;
  readonly connectionRows: number;
  readonly eventRows: number;
  /** False where nothing but the mode and the field can be shown. */
  readonly isRoomy: boolean;
}

/** From this on the menu gets a row for each mode. */
const ROWS_FOR_MENU = 20;
const LEAST_ROWS = 10;
const LEAST_COLUMNS = 36;

/** Two of the head, the title and rows of the mode panel, titles of the lists, the table's head, the keys. */
const FIXED_ROWS = 2 + 1 + 6 + 3 + 1;
const FIXED_ROWS_WHEN_FLAT = 2 + 3 + 3 + 1;

export function layOut(columns: number, rows: number): Layout {
  const isFlat = rows < ROWS_FOR_MENU;
  const free = Math.max(rows - (isFlat ? FIXED_ROWS_WHEN_FLAT : FIXED_ROWS), 0);
  const eventRows = Math.floor(free / 2);
  const isRoomy = rows >= LEAST_ROWS && columns >= LEAST_COLUMNS;
  return { columns, rows, isFlat, connectionRows: free - eventRows, eventRows, isRoomy };
}
