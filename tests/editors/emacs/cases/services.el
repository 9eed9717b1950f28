;;; services.el --- What the server asks of the editor  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The Lanebridge authors
;; SPDX-License-Identifier: MIT

;;; Commentary:

;; Diagnostics, symbols and edits of other language servers, context,
;; keys.  The other server is a stand-in, and then clangd by Eglot and by
;; lsp-mode.

;;; Code:

(require 'harness)
(require 'lanebridge-others)
(require 'lanebridge-editor)
(require 'lanebridge-secret)
(require 'flymake)

(defconst services-program "int äold𝒳(void)\n{\n    return 1;\n}\n"
  "What other servers look at: a letter that is two in UTF-16.")

(defvar services-handlers nil "What the stand-in says: functions of PARAMS, by method.")
(defvar services-encoding 'utf-16 "In what the stand-in counts.")

(defun services-stand-in (method)
  "A stand-in for another language server, if it knows METHOD."
  (when (assoc method services-handlers)
    (list (make-lanebridge-other
           :can #'identity :encoding services-encoding
           :send (lambda (method params success _failure)
                   (run-at-time 0 nil success
                                (funcall (cdr (assoc method services-handlers)) params)))))))

(defconst services-theirs '(:start (:line 0 :character 4) :end (:line 0 :character 10))
  "Where the name is, in UTF-16.")
(defconst services-ours '(:start (:line 0 :character 4) :end (:line 0 :character 9))
  "Where the name is, in letters.")

(defmacro services-with (handlers &rest body)
  "Evaluate BODY in a session with a stand-in of HANDLERS."
  (declare (indent 1) (debug t))
  `(lb-session (:files (list (cons "a.c" services-program)) :open "a.c")
     (let* ((uri (lb-uri "a.c"))
            (services-handlers ,handlers))
       (cl-letf (((symbol-function 'lanebridge-others) #'services-stand-in))
         ,@body))))

(defun services-failure (method params)
  "Why the request METHOD with PARAMS fails."
  (plist-get (lb-call method params) :error))

(ert-deftest services-diagnostics ()
  "Diagnostics of Flymake, in our encoding."
  (services-with nil
    (setq-local flymake-diagnostic-functions
                (list (lambda (report &rest _)
                        (funcall report (list (flymake-make-diagnostic
                                               (current-buffer) 5 10 :warning "a bad name"))))))
    (flymake-mode)
    (flymake-start)
    (lb-wait "Flymake" (flymake-diagnostics))
    (let* ((file (aref (plist-get (lb-call "lanebridge/editor/diagnostics" `(:uris [,uri])) :files) 0))
           (found (aref (plist-get file :diagnostics) 0)))
      (should (equal (plist-get file :uri) uri))
      (should (equal (plist-get found :message) "a bad name"))
      (should (equal (plist-get found :severity) 2))
      (should (equal (plist-get found :range) services-ours)))))

(declare-function flycheck-mode "ext:flycheck")
(declare-function flycheck-error-new-at "ext:flycheck")
(defvar flycheck-current-errors)
(defvar flycheck-check-syntax-automatically)

(ert-deftest services-flycheck ()
  "Diagnostics of Flycheck, in our encoding."
  (unless (require 'flycheck nil t)
    (ert-skip "there is no Flycheck here"))
  (services-with nil
    (let ((flycheck-check-syntax-automatically nil))
      (flycheck-mode)
      (setq flycheck-current-errors
            (list (flycheck-error-new-at 1 5 'error "a bad name" :end-line 1 :end-column 10
                                         :checker 'stand-in :buffer (current-buffer))))
      (let* ((file (aref (plist-get (lb-call "lanebridge/editor/diagnostics" nil) :files) 0))
             (found (aref (plist-get file :diagnostics) 0)))
        (should (equal (plist-get found :severity) 1))
        (should (equal (plist-get found :source) "stand-in"))
        (should (equal (plist-get (plist-get found :range) :start)
                       (plist-get services-ours :start))))
      (flycheck-mode -1))))

(ert-deftest services-nobody-checks ()
  "A file that nobody checks is left out."
  (services-with nil
    (should (equal (lb-call "lanebridge/editor/diagnostics" `(:uris [,uri])) '(:files [])))))

(ert-deftest services-navigation ()
  "Symbols, definition, references."
  (let (asked)
    (services-with
        `(("textDocument/documentSymbol"
           . ,(lambda (_) (vector (list :name "äold𝒳" :kind 12 :range services-theirs
                                        :selectionRange services-theirs))))
          ("textDocument/definition"
           . ,(lambda (params) (setq asked params) (list :uri uri :range services-theirs)))
          ("textDocument/references"
           . ,(lambda (_) (vector (list :uri uri :range services-theirs)))))
      (let ((symbol (aref (plist-get (lb-call "lanebridge/editor/symbols" `(:uri ,uri)) :symbols) 0))
            (place `(:uri ,uri :position ,(plist-get services-ours :end))))
        (should (equal (plist-get symbol :name) "äold𝒳"))
        (should (equal (plist-get symbol :range) services-ours))
        (let ((found (aref (plist-get (lb-call "lanebridge/editor/definition" place) :locations) 0)))
          (should (equal (plist-get asked :position) (plist-get services-theirs :end)))
          (should (equal (plist-get found :text) "int äold𝒳(void)"))
          (should (equal (plist-get found :range) services-ours)))
        (should (= 1 (length (plist-get (lb-call "lanebridge/editor/references" place)
                                        :locations))))))))

(ert-deftest services-edits ()
  "Rename, format and code actions give edits, and apply none."
  (services-with
      `(("textDocument/rename"
         . ,(lambda (params)
              (list :changes (list (intern (concat ":" uri))
                                   (vector (list :range services-theirs
                                                 :newText (plist-get params :newName)))))))
        ("textDocument/formatting"
         . ,(lambda (_) (vector (list :range services-theirs :newText "x"))))
        ("textDocument/codeAction"
         . ,(lambda (_)
              (vector '(:title "Only a command" :command "do.it")
                      (list :title "Shorter"
                            :edit (list :changes
                                        (list (intern (concat ":" uri))
                                              (vector (list :range services-theirs
                                                            :newText "y")))))))))
    (let* ((change (lambda (answer)
                     (aref (plist-get (plist-get answer :edit) :documentChanges) 0)))
           (renamed (funcall change (lb-call "lanebridge/editor/rename"
                                             `(:uri ,uri :position (:line 0 :character 4)
                                               :newName "new"))))
           (formatted (funcall change (lb-call "lanebridge/editor/format" `(:uri ,uri))))
           (action (lb-call "lanebridge/editor/codeAction" `(:uri ,uri :range ,services-ours))))
      (should (equal (plist-get renamed :textDocument)
                     (list :uri uri :version (lanebridge-sync-version))))
      (should (equal (plist-get renamed :edits) (vector (list :range services-ours :newText "new"))))
      (should (equal (plist-get formatted :edits) (vector (list :range services-ours :newText "x"))))
      (should (equal (plist-get action :titles) ["Shorter"]))
      (should (equal (plist-get (funcall change action) :edits)
                     (vector (list :range services-ours :newText "y"))))
      (should (equal (lb-text "a.c") services-program)))))

(ert-deftest services-edit-of-an-older-text ()
  "An edit that was asked for before I typed has the version of then."
  (services-with
      `(("textDocument/rename"
         . ,(lambda (_)
              (with-current-buffer (get-file-buffer (lb-file "a.c")) (insert "mine\n"))
              (list :changes (list (intern (concat ":" uri)) [])))))
    (let ((version (lanebridge-sync-version)))
      (should (equal version
                     (plist-get (plist-get
                                 (aref (plist-get (plist-get
                                                   (lb-call "lanebridge/editor/rename"
                                                            `(:uri ,uri :position (:line 0 :character 4)
                                                              :newName "n"))
                                                   :edit)
                                                  :documentChanges)
                                       0)
                                 :textDocument)
                                :version)))
      (should-not (equal version (progn (lanebridge-sync-flush) (lanebridge-sync-version)))))))

(ert-deftest services-no-other-server ()
  "Without another server: what cannot be done is said, Imenu and Xref help."
  (lb-session (:files '(("a.el" . "(defun a-one () 1)\n(defun a-two () (a-one))\n")) :open "a.el")
    (let ((uri (lb-uri "a.el")))
      (should (string-match-p "can rename"
                              (services-failure "lanebridge/editor/rename"
                                                `(:uri ,uri :newName "n"
                                                  :position (:line 0 :character 8)))))
      (should (equal (mapcar (lambda (symbol) (plist-get symbol :name))
                             (plist-get (lb-call "lanebridge/editor/symbols" `(:uri ,uri)) :symbols))
                     '("a-one" "a-two"))))))

(ert-deftest services-rename-by-the-model ()
  "A rename by the model, through the other server, is an edit like any other."
  (lb-session (:files (list (cons "a.c" services-program)) :open "a.c"
               :replay (list (lb-rollout "rename")
                             (lb-calls "r" "rename_symbol" :path "a.c" :symbol "äold𝒳"
                                       :new_name "new")
                             (lb-says "Renamed.")))
    (let ((services-handlers
           `(("textDocument/rename"
              . ,(lambda (params)
                   (list :changes (list (intern (concat ":" (lb-uri "a.c")))
                                        (vector (list :range services-theirs
                                                      :newText (plist-get params :newName))))))))))
      (cl-letf (((symbol-function 'lanebridge-others) #'services-stand-in))
        (lb-ask "rename it")
        (should (equal (lb-turn) "completed"))
        (should (string-prefix-p "int new(void)" (lb-text "a.c")))
        (lb-wait "a hunk" (= (lanebridge-hunks-count) 1))))))

(ert-deftest services-context ()
  "What I look at."
  (services-with nil
    (transient-mark-mode)
    (goto-char (point-min))
    (set-mark (point))
    (activate-mark)
    (forward-line 1)
    (let ((context (lb-call "lanebridge/editor/context" nil)))
      (should (equal (plist-get context :active) uri))
      (should (equal (plist-get context :open) (vector uri)))
      (should (equal (plist-get context :selection)
                     '(:start (:line 0 :character 0) :end (:line 1 :character 0))))
      (should (equal (plist-get (aref (plist-get context :visible) 0) :uri) uri)))))

(ert-deftest services-save-as-by-hand ()
  "Hooks run when the server has a file saved; a last newline is not added."
  (lb-session (:files '(("a.c" . "one\n    return 1;\nlast")) :open "a.c"
               :replay (list (lb-rollout "fix") (lb-patch "p" "a.c" "    return 1;" "    return 0;")
                             (lb-says "Done.")))
    (let (saved)
      (setq-local require-final-newline t)
      (add-hook 'before-save-hook (lambda () (setq saved t)) nil t)
      (lb-ask "fix it")
      (should (equal (lb-turn) "completed"))
      (should saved)
      (should (equal (lb-read "a.c") "one\n    return 0;\nlast")))))

(ert-deftest services-save-asks-nothing ()
  "Saving that would ask fails instead, and says why."
  (lb-session (:files (list (cons "a.c" services-program)) :open "a.c")
    (insert "mine\n")
    (lb-write (lb-file "a.c") "theirs\n")
    (set-file-times (lb-file "a.c") (time-add nil 5))
    (should (string-match-p "changed on disk" (services-failure "lanebridge/editor/save"
                                                                `(:uris [,(lb-uri "a.c")]))))
    (should (equal (lb-read "a.c") "theirs\n"))
    (set-visited-file-modtime)
    (set-buffer-file-coding-system 'latin-1-unix)
    (should (string-match-p "cannot be written as .*latin-1"
                            (services-failure "lanebridge/editor/save"
                                              `(:uris [,(lb-uri "a.c")]))))))

(ert-deftest services-key ()
  "A key: from auth-source, else from where nobody sees it, and kept in memory."
  (lb-session (:files (list (cons "a.c" services-program)) :open "a.c")
    (let* ((lanebridge-settings (list :endpoint (list :url "wss://models.example/v1")))
           (auth-sources (list (expand-file-name "authinfo" lb-dir)))
           (auth-source-cache-expiry 0))
      (lb-write (car auth-sources) "machine models.example login apikey password s3cret\n")
      (should (equal (lb-call "lanebridge/editor/secret" '(:name "apiKey")) '(:value "s3cret")))
      ;; One that was refused is not given again.
      (let (typed)
        (cl-letf (((symbol-function 'lanebridge-approval-ask-secret)
                   (lambda (_ callback) (setq typed callback))))
          (lanebridge-secret-on-request '(:name "apiKey" :refused t)
                                        (lambda (result &rest _) (setq typed result)))
          (funcall typed "an0ther")
          (should (equal typed '(:value "an0ther")))))
      (should (equal (lb-call "lanebridge/editor/secret" '(:name "apiKey")) '(:value "an0ther")))
      (setq lanebridge-secret--kept nil))))

(defun services-clangd ()
  "Skip the test where there is no clangd."
  (unless (executable-find "clangd")
    (ert-skip "there is no clangd here")))

(defun services-with-clangd (managed)
  "Clangd and Lanebridge serve one buffer, once MANAGED says so: both do their work."
  (let ((uri (lb-uri "a.c")))
    (lb-wait "clangd" (funcall managed))
    (should lanebridge-sync--document)
    (let ((edit (plist-get (lb-wait "the rename"
                             (let ((answer (lb-call "lanebridge/editor/rename"
                                                    `(:uri ,uri :position (:line 0 :character 4)
                                                      :newName "new"))))
                               (and (plist-get answer :edit) answer)))
                           :edit)))
      (should (equal (plist-get (aref (plist-get (aref (plist-get edit :documentChanges) 0) :edits) 0)
                                :newText)
                     "new")))
    (should (equal (plist-get (aref (plist-get (lb-call "lanebridge/editor/symbols" `(:uri ,uri))
                                               :symbols)
                                    0)
                              :name)
                   "old"))
    (lb-ask "fix it")
    (should (equal (lb-turn) "completed"))
    (should (equal (lb-text "a.c") "int old(void)\n{\n    return 0;\n}\n"))
    (should (funcall managed))))

(defmacro services-both (&rest body)
  "Evaluate BODY in a session with a C file, where there is a clangd."
  (declare (debug t))
  `(progn
     (services-clangd)
     (lb-session (:files '(("a.c" . "int old(void)\n{\n    return 1;\n}\n")
                           ("compile_flags.txt" . "-Wall\n"))
                  :open "a.c"
                  :replay (list (lb-rollout "fix")
                                (lb-patch "p" "a.c" "    return 1;" "    return 0;")
                                (lb-says "Done.")))
       ,@body)))

(defvar eglot-sync-connect)
(declare-function eglot-managed-p "eglot")
(declare-function eglot-shutdown-all "eglot")

(ert-deftest services-eglot ()
  "Clangd under Eglot and Lanebridge in one buffer."
  (unless (require 'eglot nil t)
    (ert-skip "there is no Eglot in this Emacs"))
  (services-both
   (c-mode)
   (remove-hook 'flymake-diagnostic-functions 'flymake-cc t)
   (unwind-protect
       (let ((eglot-sync-connect 10))
         (call-interactively #'eglot)
         (services-with-clangd #'eglot-managed-p))
     (eglot-shutdown-all))))

(ert-deftest services-lsp-mode ()
  "Clangd under lsp-mode and Lanebridge in one buffer."
  (unless (require 'lsp-mode nil t)
    (ert-skip "there is no lsp-mode here"))
  (services-both
   (defvar lsp-session-file)
   (defvar lsp-restart)
   (defvar lsp-client-packages)
   (let ((lsp-session-file (expand-file-name "lsp-session" lb-dir))
         (lsp-restart 'ignore)
         (lsp-client-packages nil))
     (require 'lsp-clangd)
     (load "lsp-mode-autoloads" t t)
     (lsp-workspace-folders-add lb-work)
     (c-mode)
     (remove-hook 'flymake-diagnostic-functions 'flymake-cc t)
     (unwind-protect
         (progn
           (lsp)
           (services-with-clangd (lambda () (bound-and-true-p lsp-mode))))
       (ignore-errors (lsp-workspace-shutdown (car (lsp-workspaces))))))))

;;; services.el ends here
