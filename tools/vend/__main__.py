from vend.cli import main

main()
