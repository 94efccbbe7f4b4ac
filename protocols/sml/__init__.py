"""SML, the Smart Message Language of German meters (BSI TR-03109-1, FNN SML 1.04): the part that eHZ meters push."""
