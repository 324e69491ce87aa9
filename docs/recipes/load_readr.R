# movements: movimento_flat.csv in R, run in the CSV's folder. R has no decimals: the amounts are there as whole
# centavos, too, which add up exactly to 90,071,992,547,409.92 reais. A date that no calendar has, as 0000-00-00,
# becomes NA, with a warning.
library(readr)

movements <- read_csv(
  "movimento_flat.csv",
  na = "", # only an empty field: there are people whose name is NA
  trim_ws = FALSE,
  col_types = cols(
    .default = col_character(), # card numbers and ids, too: as numbers they would lose digits and zeros
    # made by make docs: columns
    idade_associado = col_integer(),
    data_movimento = col_datetime("%Y-%m-%d %H:%M:%S"),
    data_criacao_cartao = col_datetime("%Y-%m-%d %H:%M:%S"),
    data_criacao_conta = col_datetime("%Y-%m-%d %H:%M:%S")
    # end of columns
  )
)
movements$centavos <- as.numeric(sub(".", "", movements$vlr_transacao_movimento, fixed = TRUE))
movements$vlr_transacao_movimento <- as.numeric(movements$vlr_transacao_movimento)
