;;; lanebridge-sync.el --- What you see is what the server knows  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The Lanebridge authors
;; SPDX-License-Identifier: MIT

;;; Commentary:

;; Buffers of files are told to the server as they are: opened, changed
;; by exactly what changed, saved, closed.
;;
;; Emacs tells of changes twice, before and after, and not of all: hooks
;; may be inhibited, the two may name other regions, and functions on
;; the hooks may change text themselves.  So each document remembers the
;; modification tick of what was told.  Where the tick is another one, or
;; before and after do not match, the whole text is sent.
;;
;; Versions are taken from one counter for all documents: none comes
;; twice, not even when a file is closed and opened again, and none is 0.

;;; Code:

(require 'cl-lib)
(require 'lanebridge)
(require 'lanebridge-connection)

(lanebridge-announce '(:textDocument :synchronization)
                     '(:dynamicRegistration :json-false :didSave t :willSave t))

(cl-defstruct (lanebridge-document (:copier nil))
  "A buffer as the server knows it."
  server uri version
  (tick nil :documentation "`buffer-chars-modified-tick' of what was told or is pending.")
  (before nil :documentation "What the change hook said last: BEG, END and their positions.")
  (pending nil :documentation "Changes not sent, last first; `all': the whole text.")
  (line-end nil :documentation "What ended lines when it was told.")
  (cr nil :documentation "Non-nil if a carriage return may be in the text."))

(defvar-local lanebridge-sync--document nil
  "The current buffer's document, while it is open.")
(put 'lanebridge-sync--document 'permanent-local t)

(defvar-local lanebridge-sync--unwanted nil
  "Non-nil if the person has switched `lanebridge-mode' off here.")
(put 'lanebridge-sync--unwanted 'permanent-local t)

(defvar lanebridge-sync--buffers nil
  "Buffers whose documents are open.")

(defvar lanebridge-sync--versions 0
  "The version given last.")

(defvar lanebridge-sync--timer nil
  "The timer that sends what is pending.")

(defconst lanebridge-sync--delay 0.02
  "Seconds that changes wait for more of them.")

(defconst lanebridge-sync--changes-max 200
  "With more changes than this waiting the whole text is sent.")

;;; Texts

(defun lanebridge-sync--sendable (text)
  "TEXT with what JSON cannot hold, bytes that are no UTF-8, as U+FFFD."
  (let ((text (if (multibyte-string-p text) text (string-to-multibyte text)))
        (bad "[\xD800-\xDFFF\x110000-\x3FFFFF]"))
    (if (string-match-p bad text)
        (replace-regexp-in-string bad "\uFFFD" text t t)
      text)))

(defun lanebridge-sync--line-end ()
  "What ends a line in the file of the current buffer."
  (pcase (coding-system-eol-type (or buffer-file-coding-system 'utf-8-unix))
    (1 "\r\n")
    (2 "\r")
    (_ "\n")))

(defun lanebridge-to-file-text (text)
  "TEXT of the current buffer as its file has it, with the file's line ends."
  (let ((end (lanebridge-sync--line-end))
        (text (lanebridge-sync--sendable text)))
    (if (equal end "\n") text (replace-regexp-in-string "\n" end text t t))))

(defun lanebridge-to-buffer-text (text)
  "TEXT that the server sent, as the current buffer has it."
  (let ((end (lanebridge-sync--line-end)))
    (if (equal end "\n") text (replace-regexp-in-string "\r\n?" "\n" text t t))))

;;; Positions

(defun lanebridge-units (text &optional encoding)
  "The length of TEXT in units of ENCODING, or of the server's."
  (pcase (or encoding (lanebridge--encoding))
    ('utf-32 (length text))
    ('utf-8 (string-bytes (lanebridge-sync--sendable text)))
    (_ (+ (length text) (cl-count-if (lambda (char) (<= #x10000 char #x10FFFF)) text)))))

(defun lanebridge--encoding ()
  "The encoding of positions that was agreed on."
  (let ((server (lanebridge-server)))
    (if server (lanebridge-server-encoding server) 'utf-16)))

(defun lanebridge-char-index (text units &optional encoding)
  "The index in TEXT that is UNITS of ENCODING behind its beginning."
  (let ((encoding (or encoding (lanebridge--encoding))))
    (if (eq encoding 'utf-32)
        (min units (length text))
      (let ((index 0) (left units))
        (while (and (> left 0) (< index (length text)))
          (setq left (- left (lanebridge-units (substring text index (1+ index)) encoding))
                index (1+ index)))
        index))))

(defun lanebridge-sync--break ()
  "A regexp of what ends a line for the server, in the current buffer."
  (if (equal (lanebridge-sync--line-end) "\n") "\r\n?\\|\n" "[\r\n]"))

(defun lanebridge-sync--cr-p ()
  "Non-nil if a carriage return may be in the current buffer."
  (if lanebridge-sync--document
      (lanebridge-document-cr lanebridge-sync--document)
    (save-excursion (goto-char (point-min)) (search-forward "\r" nil t))))

(defun lanebridge-sync--line-start (pos)
  "The line of POS, from 0, and where it begins; the buffer is widened."
  (save-excursion
    (if (not (lanebridge-sync--cr-p))
        (progn (goto-char pos)
               (let ((inhibit-field-text-motion t))
                 (cons (1- (line-number-at-pos pos)) (line-beginning-position))))
      (goto-char (point-min))
      (let ((line 0) (start (point-min)) (break (lanebridge-sync--break)))
        (while (and (< (point) pos) (re-search-forward break nil t) (<= (point) pos))
          (setq line (1+ line) start (point)))
        (cons line start)))))

(defun lanebridge-position (pos)
  "POS in the current buffer as LSP has it."
  (save-restriction
    (widen)
    (pcase-let ((`(,line . ,start) (lanebridge-sync--line-start pos)))
      (list :line line
            :character (if (eq (lanebridge--encoding) 'utf-32)
                           (- pos start)
                         (lanebridge-units (buffer-substring-no-properties start pos)))))))

(defun lanebridge-range (beg end)
  "The region from BEG to END as LSP has it."
  (list :start (lanebridge-position beg) :end (lanebridge-position end)))

(defun lanebridge-sync--goto-line (line)
  "Go to the beginning of LINE, from 0, or to the end; the buffer is widened."
  (goto-char (point-min))
  (if (not (lanebridge-sync--cr-p))
      (when (> (forward-line line) 0)
        (goto-char (point-max)))
    (let ((break (lanebridge-sync--break)))
      (unless (or (= line 0) (re-search-forward break nil t line))
        (goto-char (point-max))))))

(defun lanebridge-point (position)
  "Where POSITION, which LSP has, is in the current buffer."
  (save-excursion
    (save-restriction
      (widen)
      (lanebridge-sync--goto-line (plist-get position :line))
      (let* ((start (point))
             (end (if (lanebridge-sync--cr-p)
                      (progn (skip-chars-forward "^\r\n") (point))
                    (line-end-position))))
        (+ start (lanebridge-char-index (buffer-substring-no-properties start end)
                                        (plist-get position :character)))))))

(defun lanebridge-region (range)
  "Where RANGE, which LSP has, is in the current buffer: (BEG . END)."
  (cons (lanebridge-point (plist-get range :start))
        (lanebridge-point (plist-get range :end))))

;;; Changes

(defun lanebridge-sync--all (document)
  "Have the whole text of DOCUMENT sent."
  (setf (lanebridge-document-pending document) 'all
        (lanebridge-document-before document) nil))

(defun lanebridge-sync--known-p (document)
  "Non-nil if DOCUMENT was told of everything in the current buffer."
  (and (eql (buffer-chars-modified-tick) (lanebridge-document-tick document))
       (equal (lanebridge-sync--line-end) (lanebridge-document-line-end document))))

(defun lanebridge-sync--before-change (beg end)
  "The text from BEG to END is about to change."
  (let ((document lanebridge-sync--document))
    (when (and document (not (eq (lanebridge-document-pending document) 'all)))
      (save-match-data
        (if (lanebridge-sync--known-p document)
            (let* ((lanebridge--server (lanebridge-document-server document))
                   (from (lanebridge-position beg)))
              (setf (lanebridge-document-before document)
                    (list beg end from (if (= beg end) from (lanebridge-position end)))))
          (lanebridge-sync--all document))))))

(defun lanebridge-sync--add (document beg end)
  "Add to DOCUMENT the change that left the text from BEG to END."
  (pcase-let ((`(,_ ,_ ,from ,to) (lanebridge-document-before document))
              (text (save-restriction (widen) (buffer-substring-no-properties beg end))))
    (when (and (not (lanebridge-document-cr document)) (string-search "\r" text))
      (setf (lanebridge-document-cr document) t))
    (push (list :range (list :start from :end to) :text (lanebridge-to-file-text text))
          (lanebridge-document-pending document))
    (when (> (length (lanebridge-document-pending document)) lanebridge-sync--changes-max)
      (lanebridge-sync--all document))))

(defun lanebridge-sync--after-change (beg end length)
  "The text from BEG to END is new, in place of LENGTH characters."
  (let ((document lanebridge-sync--document))
    ;; Text properties change without the tick; so does, in Emacs 28, what
    ;; `insert-file-contents' inserts.
    (when (and document (not (and (lanebridge-sync--known-p document) (= length (- end beg)))))
      (save-match-data
        (let ((before (lanebridge-document-before document)))
          (cond
           ((eq (lanebridge-document-pending document) 'all))
           ((and before (= (nth 0 before) beg) (= (nth 1 before) (+ beg length)))
            (lanebridge-sync--add document beg end))
           (t (lanebridge-sync--all document))))
        (setf (lanebridge-document-before document) nil
              (lanebridge-document-tick document) (buffer-chars-modified-tick))
        (lanebridge-sync--soon)))))

(defun lanebridge-sync--soon ()
  "Have what is pending sent soon."
  (unless lanebridge-sync--timer
    (setq lanebridge-sync--timer
          (run-at-time lanebridge-sync--delay nil #'lanebridge-sync-flush))))

(defun lanebridge-sync--text ()
  "The current buffer's text, as it is sent."
  (save-restriction
    (widen)
    (let ((text (buffer-substring-no-properties (point-min) (point-max))))
      (when lanebridge-sync--document
        (setf (lanebridge-document-cr lanebridge-sync--document)
              (and (string-search "\r" text) t)))
      (lanebridge-to-file-text text))))

(defun lanebridge-sync--flush-buffer ()
  "Send what is pending in the current buffer."
  (let* ((document lanebridge-sync--document)
         (lanebridge--server (lanebridge-document-server document)))
    (unless (lanebridge-sync--known-p document)
      (lanebridge-sync--all document)
      (setf (lanebridge-document-tick document) (buffer-chars-modified-tick)
            (lanebridge-document-line-end document) (lanebridge-sync--line-end)))
    (let ((pending (lanebridge-document-pending document)))
      (when pending
        (setf (lanebridge-document-pending document) nil
              (lanebridge-document-version document) (cl-incf lanebridge-sync--versions))
        (lanebridge-notify
         "textDocument/didChange"
         (list :textDocument (lanebridge-sync--versioned document)
               :contentChanges (if (eq pending 'all)
                                   (vector (list :text (lanebridge-sync--text)))
                                 (vconcat (nreverse pending)))))))))

(defun lanebridge-sync-flush (&optional _server)
  "Send what is pending in all buffers."
  (when lanebridge-sync--timer
    (cancel-timer lanebridge-sync--timer)
    (setq lanebridge-sync--timer nil))
  (dolist (buffer lanebridge-sync--buffers)
    (when (buffer-live-p buffer)
      (with-current-buffer buffer
        (when lanebridge-sync--document
          (lanebridge-sync--flush-buffer))))))

(defun lanebridge-sync--versioned (document)
  "DOCUMENT as VersionedTextDocumentIdentifier."
  (list :uri (lanebridge-document-uri document)
        :version (lanebridge-document-version document)))

(defun lanebridge-sync-version ()
  "The version of the current buffer's document, or nil: it is not open."
  (when lanebridge-sync--document
    (let ((versioner (lanebridge-server-versioner
                      (lanebridge-document-server lanebridge-sync--document))))
      (if versioner
          (funcall versioner)
        (lanebridge-document-version lanebridge-sync--document)))))

(defun lanebridge-sync-uri ()
  "The current buffer's URI, as the server knows it if it does."
  (cond (lanebridge-sync--document (lanebridge-document-uri lanebridge-sync--document))
        (buffer-file-name (lanebridge-file-uri buffer-file-name))))

;;; Opening and closing

(defconst lanebridge-sync--languages
  '(("c++" . "cpp") ("sh" . "shellscript") ("bash" . "shellscript") ("js" . "javascript")
    ("js2" . "javascript") ("js-jsx" . "javascriptreact") ("tsx" . "typescriptreact")
    ("objc" . "objective-c") ("emacs-lisp" . "elisp") ("mhtml" . "html") ("gfm" . "markdown")
    ("nxml" . "xml") ("conf" . "plaintext") ("text" . "plaintext") ("fundamental" . "plaintext"))
  "Names of languages, where the mode's is not LSP's.")

(defun lanebridge-sync--language ()
  "The language of the current buffer."
  (let ((name (replace-regexp-in-string "\\(-ts\\)?-mode\\'" "" (symbol-name major-mode))))
    (or (cdr (assoc name lanebridge-sync--languages)) name)))

(defun lanebridge-sync--plain-p ()
  "Non-nil if the current buffer shows what is in its file.
Those of encrypted files are not told to anybody."
  (and (lanebridge-file-p)
       (memq (find-file-name-handler buffer-file-name 'insert-file-contents)
             '(nil tramp-file-name-handler))))

(defconst lanebridge-sync--hooks
  '((before-change-functions lanebridge-sync--before-change 100)
    (after-change-functions lanebridge-sync--after-change -100)
    (before-save-hook lanebridge-sync--will-save 100)
    (after-save-hook lanebridge-sync--did-save 100)
    (after-revert-hook lanebridge-sync-flush nil)
    (kill-buffer-hook lanebridge-sync-close nil)
    (after-set-visited-file-name-hook lanebridge-sync--renamed nil))
  "Hooks of buffers whose documents are open, with functions and depths.")

(pcase-dolist (`(,_ ,function ,_) lanebridge-sync--hooks)
  (put function 'permanent-local-hook t))

(defun lanebridge-sync-open ()
  "Open the current buffer's document, if a server is ready for it."
  (let ((server (lanebridge-server)))
    (when (and server (eq (lanebridge-server-state server) 'ready)
               (not lanebridge-sync--document) (lanebridge-sync--plain-p))
      (setq lanebridge-sync--document
            (make-lanebridge-document :server server
                                      :uri (lanebridge-file-uri buffer-file-name)
                                      :version (cl-incf lanebridge-sync--versions)
                                      :tick (buffer-chars-modified-tick)
                                      :line-end (lanebridge-sync--line-end)))
      (push (current-buffer) lanebridge-sync--buffers)
      (pcase-dolist (`(,hook ,function ,depth) lanebridge-sync--hooks)
        (add-hook hook function depth t))
      (lanebridge-notify
       "textDocument/didOpen"
       (list :textDocument (append (lanebridge-sync--versioned lanebridge-sync--document)
                                   (list :languageId (lanebridge-sync--language)
                                         :text (lanebridge-sync--text)))))
      (run-hooks 'lanebridge-opened-hook))))

(defvar lanebridge-opened-hook nil
  "Run in a buffer whose document was opened.")

(defun lanebridge-sync--forget ()
  "The current buffer's document is not open any more."
  (setq lanebridge-sync--document nil
        lanebridge-sync--buffers (delq (current-buffer) lanebridge-sync--buffers))
  (pcase-dolist (`(,hook ,function ,_) lanebridge-sync--hooks)
    (remove-hook hook function t)))

(defun lanebridge-sync-close ()
  "Close the current buffer's document."
  (when lanebridge-sync--document
    (let ((lanebridge--server (lanebridge-document-server lanebridge-sync--document))
          (uri (lanebridge-document-uri lanebridge-sync--document)))
      (lanebridge-sync--forget)
      (lanebridge-notify "textDocument/didClose" (list :textDocument (list :uri uri))))))

(defun lanebridge-sync--renamed ()
  "The current buffer visits another file now."
  (lanebridge-sync-close)
  (lanebridge-sync-open))

(defvar lanebridge-sync--problem nil
  "Why no server could be started last; it is said once.")

(defun lanebridge-sync-attach ()
  "Have the server know the current buffer, starting one if need be."
  (setq lanebridge-sync--unwanted nil)
  (condition-case err
      (when (lanebridge-sync--plain-p)
        (lanebridge-start)
        (lanebridge-add-folder (lanebridge-root))
        (lanebridge-sync-open)
        (setq lanebridge-sync--problem nil))
    (lanebridge-error
     (unless (equal lanebridge-sync--problem (cadr err))
       (setq lanebridge-sync--problem (cadr err))
       (lanebridge-say "%s" (cadr err))))))

(defun lanebridge-sync-detach ()
  "Have the server forget the current buffer."
  (setq lanebridge-sync--unwanted t)
  (lanebridge-sync-close))

(defun lanebridge-sync--found-file ()
  "The current buffer has just been read.
While a server runs it knows all files that are open, so that it never
takes what is on the disk for what you see."
  (unless (or lanebridge-sync--unwanted (not buffer-file-name))
    (lanebridge-sync-open)))

(defun lanebridge-sync--connected ()
  "A server is ready: it is told of all files that are open on its host."
  (let ((where (lanebridge-server-remote (lanebridge-server))))
    (dolist (buffer (buffer-list))
      (with-current-buffer buffer
        (when (and buffer-file-name (not lanebridge-sync--unwanted)
                   (equal where (or (file-remote-p buffer-file-name) "")))
          (when lanebridge-mode
            (lanebridge-add-folder (lanebridge-root)))
          (lanebridge-sync-open))))))

(defun lanebridge-sync--disconnected ()
  "A server has ended: its documents are not open any more."
  (dolist (buffer (copy-sequence lanebridge-sync--buffers))
    (if (not (buffer-live-p buffer))
        (setq lanebridge-sync--buffers (delq buffer lanebridge-sync--buffers))
      (with-current-buffer buffer
        (when (and lanebridge-sync--document
                   (eq (lanebridge-document-server lanebridge-sync--document)
                       lanebridge--server))
          (lanebridge-sync--forget))))))

;;; Saving

(defun lanebridge-sync--will-save ()
  "The current buffer is about to be saved."
  (when lanebridge-sync--document
    (let* ((lanebridge--server (lanebridge-document-server lanebridge-sync--document))
           (sync (plist-get (lanebridge-server-capabilities lanebridge--server)
                            :textDocumentSync)))
      (when (and (consp sync) (eq (plist-get sync :willSave) t))
        (lanebridge-sync--flush-buffer)
        (lanebridge-notify "textDocument/willSave"
                           (list :textDocument (list :uri (lanebridge-sync-uri)) :reason 1))))))

(defun lanebridge-sync--did-save ()
  "The current buffer was saved."
  (when lanebridge-sync--document
    (let ((lanebridge--server (lanebridge-document-server lanebridge-sync--document)))
      (lanebridge-sync--flush-buffer)
      (lanebridge-notify "textDocument/didSave"
                         (list :textDocument (list :uri (lanebridge-sync-uri)))))))

(add-hook 'lanebridge-before-send-functions #'lanebridge-sync-flush)
(add-hook 'lanebridge-connected-hook #'lanebridge-sync--connected)
(add-hook 'lanebridge-disconnected-hook #'lanebridge-sync--disconnected)
(add-hook 'find-file-hook #'lanebridge-sync--found-file)

(provide 'lanebridge-sync)
;;; lanebridge-sync.el ends here
