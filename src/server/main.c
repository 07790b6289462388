/* headgate: the stateful-serverless gateway. */
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		(void)printf("%s %s\n", PACKAGE_NAME, PACKAGE_VERSION); /* nowhere to report it */
		return 0;
	}
	(void)fprintf(stderr, "usage: %s --version\n", PACKAGE_NAME);
	return 2;
}
